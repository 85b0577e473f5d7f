//! A real nginx in front of instances of the API.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use crate::process::{Process, children, free_port};
use crate::wait::wait_until;

/// Debian's path of it, which is not on every user's PATH.
const DEBIAN_PATH: &str = "/usr/sbin/nginx";
/// Its log, beside its folder: there the logs of all others are, and are shown when something fails.
const LOG: &str = "nginx.log";
/// What it is told. Its comments say why.
const CONFIGURATION: &str = include_str!("nginx.conf");
/// Longest that it may take to start, or to follow a new configuration.
const LIMIT: Duration = Duration::from_secs(30);

/// Which requests nginx sends to another instance when one fails them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Those that it could not send, as nginx does by default. Others fail, and the buyer retries.
    Unsent,
    /// All, though a POST is not idempotent by itself: the order's key makes it so.
    All,
}

impl Repeat {
    pub fn directive(self) -> &'static str {
        match self {
            Self::Unsent => "proxy_next_upstream error timeout",
            Self::All => "proxy_next_upstream error timeout non_idempotent",
        }
    }
}

/// The process. Dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    url: String,
    port: u16,
    repeat: Repeat,
    folder: PathBuf,
    log: PathBuf,
    master: Child,
}

impl Nginx {
    /// Starts it in front of these instances, with its log among the others in `logs`, and its other files in a new
    /// folder there.
    ///
    /// # Errors
    /// When it is not installed or does not start, with what it prints.
    pub async fn start(instances: &[Process], repeat: Repeat, logs: &Path) -> Result<Self> {
        let (folder, log) = (logs.join("nginx"), logs.join(LOG));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let port = free_port()?;
        let text = configuration(port, repeat, instances);
        fs::write(folder.join("nginx.conf"), text)?;
        let mut nginx = Self {
            url: format!("http://127.0.0.1:{port}"),
            port,
            repeat,
            master: launch(&folder, &log)?,
            folder,
            log,
        };
        let outcome = wait_until("nginx listens", LIMIT, async || {
            // An inner error ends the wait.
            if let Some(status) = nginx.master.try_wait()? {
                let text = fs::read_to_string(&nginx.log)?;
                return Ok(Err(anyhow!("nginx ended with {status}: {text}")));
            }
            TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(Ok(()))
        });
        outcome.await??;
        Ok(nginx)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends requests to these instances from now on; returns when no process of it uses the old list.
    pub async fn reload(&self, instances: &[Process]) -> Result<()> {
        let before = self.workers()?;
        let configuration = configuration(self.port, self.repeat, instances);
        fs::write(self.folder.join("nginx.conf"), configuration)?;
        kill(self.pid(), Signal::SIGHUP).context("telling nginx")?;
        wait_until("nginx uses its new configuration", LIMIT, async || {
            let now = self.workers()?;
            let new = now.len() == 1 && now.iter().all(|it| !before.contains(it));
            ensure!(new, "{before:?} became {now:?}");
            Ok(())
        })
        .await
    }

    /// Requests that were at an instance when nginx lost its connection to it, by the instance's URL.
    pub fn interrupted(&self) -> Result<BTreeMap<String, u64>> {
        let log = fs::read_to_string(&self.log)?;
        let mut counts = BTreeMap::new();
        for url in log.lines().filter_map(interrupted_at) {
            *counts.entry(url.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    fn workers(&self) -> Result<Vec<Pid>> {
        children(self.pid())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.master.id().cast_signed())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Once it is reaped, its pid may be another process's.
        if let Ok(None) = self.master.try_wait() {
            // Its workers end with it only when it is asked. Both fail only where it has just ended.
            let _ = kill(self.pid(), Signal::SIGTERM);
            let _ = self.master.wait();
        }
    }
}

fn launch(folder: &Path, log: &Path) -> Result<Child> {
    let is_debian = Path::new(DEBIAN_PATH).is_file();
    Command::new(if is_debian { DEBIAN_PATH } else { "nginx" })
        .arg("-p")
        .arg(folder)
        .args(["-e", "stderr", "-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(log)?)
        .spawn()
        .context("starting nginx; scripts/stack install nginx installs it")
}

/// Where the request of a line of its log was; nothing where nginx had not sent it yet, and for all other lines.
fn interrupted_at(line: &str) -> Option<&str> {
    let is_error = line.contains("[error]") && !line.contains("while connecting to upstream");
    let (_, rest) = line.split_once("upstream: \"")?;
    rest.split_once("/orders\"")
        .filter(|_| is_error)
        .map(|(url, _)| url)
}

/// An instance that failed a request is left out for five seconds.
fn configuration(port: u16, repeat: Repeat, instances: &[Process]) -> String {
    let addresses = instances
        .iter()
        .map(|it| it.url().trim_start_matches("http://"));
    let server = |it| format!("server {it} max_fails=1 fail_timeout=5s;");
    CONFIGURATION
        .replace("SERVERS", &addresses.map(server).collect::<String>())
        .replace("PORT", &port.to_string())
        .replace("REPEAT", repeat.directive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_were_at_an_instance_are_told_from_those_that_were_not_sent() {
        let line = |level, what| {
            format!(
                "2026/11/26 18:00:00 [{level}] 1#1: *45 {what}, client: 127.0.0.1, server: , \
                 request: \"POST /orders HTTP/1.1\", upstream: \"http://127.0.0.1:1/orders\", host: \"x\""
            )
        };
        let at = |level, what| interrupted_at(&line(level, what)).map(str::to_owned);
        let closed =
            "upstream prematurely closed connection while reading response header from upstream";
        let refused = "connect() failed (111: Connection refused) while connecting to upstream";
        assert_eq!(at("error", closed).as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(at("error", refused), None);
        assert_eq!(at("warn", "upstream server temporarily disabled"), None);
        assert_eq!(interrupted_at("[error] no live upstreams"), None);
    }
}
