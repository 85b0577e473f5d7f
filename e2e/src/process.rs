//! A service as an operating system sees it: a process with settings, a port and a log.

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::program::Program;
use crate::until::until;

/// Longest a service may take from its start to ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Settings by the names of their environment variables.
pub type Settings = Vec<(String, String)>;

/// A running service. Dropping it kills the process and reaps it.
#[derive(Debug)]
pub struct Process {
    program: Program,
    settings: Settings,
    url: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `program` on a free port with nothing but `settings` in its environment, its output
    /// appended to `log`. Does not wait.
    ///
    /// # Errors
    /// When the program is not built or does not start.
    pub fn spawn(program: Program, mut settings: Settings, log: PathBuf) -> Result<Self> {
        let port = free_port()?;
        let chosen = settings.iter().any(|(name, _)| name == "HTTP_ADDR");
        if !chosen {
            settings.push(("HTTP_ADDR".into(), format!("127.0.0.1:{port}")));
        }
        Ok(Self {
            child: launch(program, &settings, &log)?,
            url: format!("http://127.0.0.1:{port}"),
            program,
            settings,
            log,
        })
    }

    /// Starts it again after its end: same settings, same port, same log.
    ///
    /// # Errors
    /// When it does not start or does not get ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.child = launch(self.program, &self.settings, &self.log)?;
        self.ready().await
    }

    /// Starts it again after its end as another program, with `more` settings: same port, same log.
    /// Does not wait. Its next restart is as before.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_as(&mut self, program: Program, more: &[(&str, &str)]) -> Result<()> {
        let more = more
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let settings = self.settings.iter().cloned().chain(more).collect();
        self.child = launch(program, &settings, &self.log)?;
        Ok(())
    }

    /// Where it answers HTTP, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// By which the operating system knows it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn client(&self) -> Result<Client> {
        Client::new(&self.url)
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it ends instead, or is not ready in time.
    pub async fn ready(&mut self) -> Result<()> {
        let client = self.client()?;
        let what = format!("{} is ready", self.program.name());
        let outcome = until(&what, START_LIMIT, async || {
            let ended = self.child.try_wait()?;
            // Not worth waiting any longer: an inner error ends the wait.
            Ok(match ended {
                Some(status) => Err(anyhow::anyhow!("it ended with {status}")),
                None => Ok(client.expect_ready().await?),
            })
        });
        outcome.await?.context(what)
    }

    /// One of its metrics, summed over all labels; 0 where it has no such series yet.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        self.client()?.metric(name).await
    }

    /// Ends it at once, as a crash would: SIGKILL, reaped.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing it")?;
        self.child.wait().context("reaping it")?;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.ended(limit).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.program.name());
        until(&what, limit, async || {
            self.child.try_wait()?.context("it still runs")
        })
        .await
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("looking after it")
    }

    /// Freezes it: its connections stay open, and nothing answers.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`Process::pause`].
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Whether it was stopped by SIGSTOP, its own or another's.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn is_stopped(&self) -> Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything, comes the state.
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim().chars().next());
        Ok(state == Some('T'))
    }

    /// All it wrote so far, on stdout and stderr.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn output(&self) -> Result<String> {
        fs::read_to_string(&self.log).context("reading a log")
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // Once it is reaped, its pid may be somebody else's.
        let ended = self.child.try_wait().context("looking after it")?;
        ensure!(ended.is_none(), "{} has ended already", self.program.name());
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

fn launch(program: Program, settings: &Settings, log: &Path) -> Result<Child> {
    let out = OpenOptions::new().create(true).append(true).open(log);
    let out = out.with_context(|| format!("opening {}", log.display()))?;
    Command::new(program.path()?)
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("starting {}", program.name()))
}

/// A port on which nothing listens. Below the kernel's range for outgoing connections: one of the
/// buyers' could otherwise take the port while its service is down.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 30_000;
    const COUNT: u16 = 2_700;
    static NEXT: AtomicU16 = AtomicU16::new(0);

    // Test programs that run side by side start at different ports.
    let start = std::process::id() * 16;
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT))?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} on")
}
