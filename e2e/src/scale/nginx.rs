//! A real nginx in front of instances of the API.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::process::{Process, free_port, settings};
use crate::wait::wait_until;

/// Debian's path of it, which is not on every user's PATH.
const DEBIAN_PATH: &str = "/usr/sbin/nginx";
/// Its log, beside its folder: there the logs of all others are, and are shown when something fails.
const LOG: &str = "nginx.log";
const FILE: &str = "nginx.conf";
/// What it is told in runs that count what it loses. Its comments say why.
const OWN: &str = include_str!("nginx.conf");
/// Prints `docker/nginx.conf` for this machine.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/nginx-conf");
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

/// How it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configuration {
    Own(Repeat),
    /// `docker/nginx.conf`.
    Shipped,
}

/// The process. Dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    configuration: Configuration,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it in front of these instances, with its log among the others in `logs`, and its other files in a new
    /// folder there.
    ///
    /// # Errors
    /// When it is not installed or does not start, with what it prints.
    pub async fn start(
        instances: &[Process],
        configuration: Configuration,
        logs: &Path,
    ) -> Result<Self> {
        let (folder, port) = (logs.join("nginx"), free_port()?);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let text = configuration.text(port, instances, &folder)?;
        fs::write(folder.join(FILE), text)?;
        let is_debian = Path::new(DEBIAN_PATH).is_file();
        let executable = if is_debian { DEBIAN_PATH } else { "nginx" };
        let prefix = folder.to_string_lossy();
        let arguments = [
            "-p",
            &prefix,
            "-e",
            "stderr",
            "-c",
            FILE,
            "-g",
            "daemon off;",
        ];
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
            configuration,
            folder,
        };
        nginx.listens().await?;
        Ok(nginx)
    }

    async fn listens(&mut self) -> Result<()> {
        let address = self.process.address()?;
        wait_until("nginx listens", LIMIT, async || {
            // An inner error ends the wait.
            if let Err(ended) = self.process.expect_running() {
                return Ok(Err(ended));
            }
            TcpStream::connect(address).await?;
            Ok(Ok(()))
        })
        .await?
    }

    pub fn url(&self) -> &str {
        self.process.url()
    }

    /// Sends requests to these instances from now on; returns when no process of it uses the old list.
    pub async fn reload(&mut self, instances: &[Process]) -> Result<()> {
        let before = self.process.children()?;
        let port = self.process.port();
        let text = self.configuration.text(port, instances, &self.folder)?;
        fs::write(self.folder.join(FILE), text)?;
        self.process.signal(Signal::SIGHUP)?;
        wait_until("nginx uses its new configuration", LIMIT, async || {
            let now = self.process.children()?;
            let new = !now.is_empty() && now.iter().all(|it| !before.contains(it));
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

impl Configuration {
    fn text(self, port: u16, instances: &[Process], folder: &Path) -> Result<String> {
        let addresses = instances
            .iter()
            .map(|it| it.url().trim_start_matches("http://"));
        Ok(match self {
            Self::Own(repeat) => {
                // An instance that failed a request is left out for five seconds.
                let server = |it| format!("server {it} max_fails=1 fail_timeout=5s;");
                OWN.replace("SERVERS", &addresses.map(server).collect::<String>())
                    .replace("PORT", &port.to_string())
                    .replace("REPEAT", repeat.directive())
            }
            Self::Shipped => {
                let mut script = Command::new(SHIPPED);
                script.args([port.to_string(), free_port()?.to_string()]);
                let printed = script.arg(folder).args(addresses).output()?;
                ensure!(printed.status.success(), "{SHIPPED}: {printed:?}");
                String::from_utf8(printed.stdout)?
            }
        })
    }
}
