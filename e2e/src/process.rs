//! A service, or another program, as a process: start, kill, freeze, ask.

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

/// A running service, or another program under our control. Dropping it kills the process and reaps it.
#[derive(Debug)]
pub struct Process {
    /// How it was started, and is started again.
    command: Command,
    settings: Settings,
    port: u16,
    url: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a service on a free port. Does not wait.
    pub fn spawn(executable: PathBuf, mut settings: Settings, log: PathBuf) -> Result<Self> {
        let port = free_port()?;
        let address = settings.entry("HTTP_ADDR".into());
        address.or_insert_with(|| format!("127.0.0.1:{port}"));
        Self::launch(&executable, &[], settings, log, port)
    }

    /// Starts an executable with nothing but `settings` in its environment, its output appended to `log`. `port` is
    /// where it is told to listen; 0 if it does not. Does not wait.
    pub fn launch(
        executable: &Path,
        arguments: &[&str],
        settings: Settings,
        log: PathBuf,
        port: u16,
    ) -> Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(&log);
        let out = out.with_context(|| format!("opening {}", log.display()))?;
        let mut command = Command::new(executable);
        command
            .args(arguments)
            .env_clear()
            .envs(&settings)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let child = command.spawn();
        Ok(Self {
            child: child.with_context(|| format!("starting {}", executable.display()))?,
            url: format!("http://127.0.0.1:{port}"),
            command,
            settings,
            port,
            log,
        })
    }

    /// Starts a service again after its end: same settings, same port, same log.
    pub async fn restart(&mut self) -> Result<()> {
        self.start_again()?;
        self.ready().await
    }

    /// The same for any program. Does not wait.
    pub fn start_again(&mut self) -> Result<()> {
        let name = self.name();
        let child = self.command.spawn();
        self.child = child.with_context(|| format!("starting {name} again"))?;
        Ok(())
    }

    /// Starts it again after its end as another program, with `more` settings: same port, same log.
    /// Does not wait. Its next restart is as before.
    pub fn restart_as(&mut self, program: Program, more: &[(&str, &str)]) -> Result<()> {
        let (settings, log) = (changed(&self.settings, more), self.log.clone());
        let mut other = Self::launch(&program.path()?, &[], settings, log, self.port)?;
        std::mem::swap(&mut self.child, &mut other.child);
        Ok(())
    }

    pub fn port(&self) -> u16 {
        self.port
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
            // An inner error ends the wait.
            if let Err(ended) = self.expect_running() {
                return Ok(Err(ended));
            }
            client.expect_ready().await.map(Ok)
        });
        outcome.await?
    }

    /// One of its metrics, summed over all labels; 0 where it has no such series yet.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        self.client()?.metric(name).await
    }

    /// Ends it at once, as a crash would: SIGKILL, reaped.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing it")?;
        self.reap()
    }

    pub(crate) fn reap(&mut self) -> Result<()> {
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

    /// # Errors
    /// When it has ended; with all it wrote.
    pub fn expect_running(&mut self) -> Result<()> {
        let Some(status) = self.has_ended()? else {
            return Ok(());
        };
        bail!("{} ended with {status}: {}", self.name(), self.output()?)
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

    /// The processes that it has started itself, if it has one thread.
    pub(crate) fn children(&self) -> Result<Vec<Pid>> {
        children(self.id())
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.pid().cast_signed())
    }

    fn name(&self) -> String {
        let executable = Path::new(self.command.get_program());
        let name = executable.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        // Once it is reaped, its pid may be another process's.
        let ended = self.has_ended()?;
        ensure!(ended.is_none(), "{} has ended already", self.name());
        let pid = self.id();
        kill(pid, signal).with_context(|| format!("sending {signal} to {pid}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only where the process has been reaped already.
        let _ = self.kill();
    }
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
