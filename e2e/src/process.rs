//! A service as a process: start, kill, freeze, ask.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::program::Program;
use crate::wait::wait_until;

const START_LIMIT: Duration = Duration::from_secs(30);

/// Settings by the names of their environment variables.
pub type Settings = BTreeMap<String, String>;

/// The same, owned.
pub fn settings(all: &[(&str, &str)]) -> Settings {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    all.iter().map(owned).collect()
}

/// `settings` with those in `other` changed or added.
pub fn changed(settings: &Settings, other: &[(&str, &str)]) -> Settings {
    let mut changed = settings.clone();
    changed.extend(self::settings(other));
    changed
}

/// A running service. Dropping it kills the process and reaps it.
#[derive(Debug)]
pub struct Process {
    executable: PathBuf,
    settings: Settings,
    url: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts an executable on a free port with nothing but `settings` in its environment, its output
    /// appended to `log`. Does not wait.
    pub fn spawn(executable: PathBuf, mut settings: Settings, log: PathBuf) -> Result<Self> {
        let port = free_port()?;
        let address = settings.entry("HTTP_ADDR".into());
        address.or_insert_with(|| format!("127.0.0.1:{port}"));
        Ok(Self {
            child: launch(&executable, &settings, &log)?,
            url: format!("http://127.0.0.1:{port}"),
            executable,
            settings,
            log,
        })
    }

    /// Starts it again after its end: same settings, same port, same log.
    pub async fn restart(&mut self) -> Result<()> {
        self.child = launch(&self.executable, &self.settings, &self.log)?;
        self.ready().await
    }

    /// Starts it again after its end as another program, with `more` settings: same port, same log.
    /// Does not wait. Its next restart is as before.
    pub fn restart_as(&mut self, program: Program, more: &[(&str, &str)]) -> Result<()> {
        self.child = launch(&program.path()?, &changed(&self.settings, more), &self.log)?;
        Ok(())
    }

    /// Where it answers HTTP, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.url.trim_start_matches("http://");
        Ok(address.parse()?)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn client(&self) -> Result<Client> {
        Client::new(&self.url)
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&mut self) -> Result<()> {
        let client = self.client()?;
        let what = format!("{} is ready", self.name());
        let outcome = wait_until(&what, START_LIMIT, async || {
            let ended = self.child.try_wait()?;
            // An inner error ends the wait.
            Ok(match ended {
                Some(status) => Err(anyhow::anyhow!("it ended with {status}")),
                None => Ok(client.expect_ready().await?),
            })
        });
        outcome.await?.context(what)
    }

    /// One of its metrics, summed over all labels; 0 where it has no such series yet.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        self.client()?.metric(name).await
    }

    /// Ends it at once, as a crash would: SIGKILL, reaped.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing it")?;
        self.child.wait().context("reaping it")?;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.ended(limit).await
    }

    /// Asks it to stop; it must end with code 0.
    pub async fn stop(&mut self, limit: Duration) -> Result<()> {
        let status = self.terminate(limit).await?;
        ensure!(status.success(), "{} ended with {status}", self.name());
        Ok(())
    }

    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name());
        wait_until(&what, limit, async || {
            self.child.try_wait()?.context("it still runs")
        })
        .await
    }

    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("reading its status")
    }

    /// Freezes it: its connections stay open, and nothing answers.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Whether it was stopped by SIGSTOP, its own or another's.
    pub fn is_stopped(&self) -> Result<bool> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok(status.contains("\nState:\tT "))
    }

    /// All it wrote so far, on stdout and stderr.
    pub fn output(&self) -> Result<String> {
        fs::read_to_string(&self.log).context("reading a log")
    }

    fn name(&self) -> Cow<'_, str> {
        self.executable
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // Once it is reaped, its pid may be another process's.
        let ended = self.child.try_wait().context("reading its status")?;
        ensure!(ended.is_none(), "{} has ended already", self.name());
        let pid = i32::try_from(self.child.id()).context("pids are positive")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("sending {signal} to {pid}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(executable: &Path, settings: &Settings, log: &Path) -> Result<Child> {
    let out = OpenOptions::new().create(true).append(true).open(log);
    let out = out.with_context(|| format!("opening {}", log.display()))?;
    Command::new(executable)
        .env_clear()
        .envs(settings)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("starting {}", executable.display()))
}

/// A port on which nothing listens. Below the kernel's range for outgoing connections: one of them
/// could otherwise take the port while its service is down.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 30_000;
    const COUNT: u16 = 2_700;
    static NEXT: AtomicU16 = AtomicU16::new(0);

    // Test programs that run side by side start at different ports.
    let start = std::process::id() * 16;
    for _ in 0..COUNT {
        let offset = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + offset) % u32::from(COUNT))?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} on")
}

/// The processes that `parent`, which has one thread, has started itself.
pub fn children(parent: Pid) -> Result<Vec<Pid>> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).context("reading the children of a process")?;
    let pids = children.split_whitespace();
    pids.map(|pid| Ok(Pid::from_raw(pid.parse()?))).collect()
}
