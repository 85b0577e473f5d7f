//! A real nginx in front of instances of the API.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::process::{Process, free_port, settings};
use crate::wait::wait_until;

/// Debian's path of it, which is not on every user's PATH.
const DEBIAN_PATH: &str = "/usr/sbin/nginx";
/// Its log, beside its folder: there the logs of all others are, and are shown when something fails.
const LOG: &str = "nginx.log";
/// What it is told. Its comments say why.
const CONFIGURATION: &str = include_str!("nginx.conf");
/// Longest that it may take to follow a new configuration.
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
    process: Process,
    repeat: Repeat,
    /// Of its configuration.
    file: PathBuf,
}

impl Nginx {
    /// Starts it in front of these instances, with its log among the others in `logs`, and its other files in a new
    /// folder there.
    ///
    /// # Errors
    /// When it is not installed or does not start, with what it prints.
    pub async fn start(instances: &[Process], repeat: Repeat, logs: &Path) -> Result<Self> {
        let folder = logs.join("nginx");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let (file, port) = (folder.join("nginx.conf"), free_port()?);
        fs::write(&file, configuration(port, repeat, instances))?;
        let is_debian = Path::new(DEBIAN_PATH).is_file();
        let executable = if is_debian { DEBIAN_PATH } else { "nginx" };
        let folder = folder.to_string_lossy();
        let arguments = ["-p", &folder, "-e", "stderr", "-c", "nginx.conf"];
        let path = settings(&[("PATH", &std::env::var("PATH")?)]);
        let process = Process::launch(
            Path::new(executable),
            &arguments,
            path,
            logs.join(LOG),
            port,
        );
        let mut nginx = Self {
            process: process.context("scripts/stack install nginx installs it")?,
            repeat,
            file,
        };
        // An instance answers for it.
        nginx.process.ready().await?;
        Ok(nginx)
    }

    pub fn url(&self) -> &str {
        self.process.url()
    }

    /// Sends requests to these instances from now on; returns when no process of it uses the old list.
    pub async fn reload(&mut self, instances: &[Process]) -> Result<()> {
        let before = self.process.children()?;
        let configuration = configuration(self.process.port(), self.repeat, instances);
        fs::write(&self.file, configuration)?;
        self.process.signal(Signal::SIGHUP)?;
        wait_until("nginx uses its new configuration", LIMIT, async || {
            let now = self.process.children()?;
            let new = now.len() == 1 && now.iter().all(|it| !before.contains(it));
            ensure!(new, "{before:?} became {now:?}");
            Ok(())
        })
        .await
    }

    /// Requests that were at an instance when nginx lost its connection to it, by the instance's URL.
    pub fn interrupted(&self) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for url in self.process.output()?.lines().filter_map(interrupted_at) {
            *counts.entry(url.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only when it is asked. Fails only where it has ended already.
        if self.process.signal(Signal::SIGTERM).is_ok() {
            let _ = self.process.reap();
        }
    }
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
