use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::process::free_port;
use e2e::wait::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use super::build::under_both_names;

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Settings by the names of their environment variables.
pub type Settings = Vec<(String, String)>;

pub fn settings<'a>(named: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Settings {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    named.into_iter().map(owned).collect()
}

/// A running program of some build. Dropping it kills the process.
pub struct Service {
    child: Child,
    name: String,
    pub address: SocketAddr,
}

impl Service {
    /// Starts `program` on a free port with nothing but `settings` in its environment, and waits until it listens.
    /// An existing log file is overwritten.
    pub async fn start(program: &Path, settings: &Settings, log: PathBuf) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let out = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(under_both_names(settings))
            .env("HTTP_ADDR", address.to_string())
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        if program.ends_with("bare") {
            command.arg(format!("--http-addr={address}"));
        }
        let name = program.display().to_string();
        let child = command
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let mut service = Self {
            child,
            name,
            address,
        };
        let what = format!("{} listens; see {}", service.name, log.display());
        wait_until(&what, START_LIMIT, async || {
            TcpStream::connect(address).await.context("no connection")
        })
        .await?;
        service.expect_running()?;
        Ok(service)
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(self) -> Result<Self> {
        let client = self.client()?;
        let what = format!("{} is ready", self.name);
        wait_until(&what, START_LIMIT, async || client.expect_ready().await).await?;
        Ok(self)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn client(&self) -> Result<Client> {
        Client::new(&format!("http://{}", self.address))
    }

    /// One of its metrics, summed over all labels; 0 if there is no such series.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        self.client()?.metric(name).await
    }

    pub fn expect_running(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} has ended", self.name);
        Ok(())
    }

    pub async fn terminate(&mut self) -> Result<()> {
        self.expect_running()?;
        kill(Pid::from_raw(i32::try_from(self.pid())?), Signal::SIGTERM)?;
        let what = format!("{} ends", self.name);
        wait_until(&what, STOP_LIMIT, async || {
            let ended = self.child.try_wait()?;
            ended.map(|_| ()).context("it still runs")
        })
        .await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both calls fail only if the process has already been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
