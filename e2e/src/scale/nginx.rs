//! A real nginx in front of copies of the API, with a configuration of this run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use super::access::Access;
use crate::children::children;
use crate::process::{Process, free_port};
use crate::until::until;

/// Debian's place for it, which is not on everybody's path.
const DEBIANS: &str = "/usr/sbin/nginx";
/// Its logs, beside its folder: there the logs of all others are, and are shown when something fails.
const ACCESS: &str = "nginx-access.log";
const ERRORS: &str = "../nginx-error.log";
const STDERR: &str = "nginx-stderr.log";
/// Longest that it may take to start, or to follow a new configuration.
const LIMIT: Duration = Duration::from_secs(30);

/// Which requests nginx sends to another copy when one fails them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Those that it could not send, as nginx does by itself. Of others it tells the buyer, whose retry it is.
    Unsent,
    /// All, though a POST is not idempotent by itself: the order's key makes it so.
    All,
}

impl Repeat {
    /// What nginx is told.
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
    logs: PathBuf,
    folder: PathBuf,
    master: Child,
}

impl Nginx {
    /// Starts it in front of these copies, with its logs among the others in `logs`, and its other files in a folder
    /// there, which is made.
    ///
    /// # Errors
    /// When it is not installed or does not start, with what it says.
    pub async fn before(copies: &[&Process], repeat: Repeat, logs: &Path) -> Result<Self> {
        let folder = logs.join("nginx");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let port = free_port()?;
        fs::write(
            folder.join("nginx.conf"),
            configuration(port, repeat, copies),
        )?;
        let mut nginx = Self {
            url: format!("http://127.0.0.1:{port}"),
            port,
            repeat,
            master: launch(&folder, &logs.join(STDERR))?,
            logs: logs.to_owned(),
            folder,
        };
        nginx.listens().await?;
        Ok(nginx)
    }

    async fn listens(&mut self) -> Result<()> {
        let outcome = until("nginx listens", LIMIT, async || {
            // Not worth waiting any longer: an inner error ends the wait.
            if let Some(status) = self.master.try_wait()? {
                let words = fs::read_to_string(self.logs.join(STDERR))?;
                return Ok(Err(anyhow!("nginx ended with {status}: {words}")));
            }
            TcpStream::connect(("127.0.0.1", self.port)).await?;
            Ok(Ok(()))
        });
        outcome.await?
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks these copies from now on; returns when no process of it asks any other.
    ///
    /// # Errors
    /// When it does not follow.
    pub async fn serve(&self, copies: &[&Process]) -> Result<()> {
        let before = self.workers()?;
        let configuration = configuration(self.port, self.repeat, copies);
        fs::write(self.folder.join("nginx.conf"), configuration)?;
        kill(self.pid(), Signal::SIGHUP).context("telling nginx")?;
        until("nginx follows its new configuration", LIMIT, async || {
            let now = self.workers()?;
            let new = now.len() == 1 && now.iter().all(|it| !before.contains(it));
            ensure!(new, "{before:?} became {now:?}");
            Ok(())
        })
        .await
    }

    /// Every request that it has answered so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn answered(&self) -> Result<Vec<Access>> {
        let log = fs::read_to_string(self.logs.join(ACCESS))?;
        // The last line may be half written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(Access::read).collect()
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
        // Once it is reaped, its pid may be somebody else's.
        if let Ok(None) = self.master.try_wait() {
            // Its workers end with it only when it is asked. Both fail only where it has just ended.
            let _ = kill(self.pid(), Signal::SIGTERM);
            let _ = self.master.wait();
        }
    }
}

fn launch(folder: &Path, stderr: &Path) -> Result<Child> {
    let debians = Path::new(DEBIANS).is_file();
    let program = if debians { DEBIANS } else { "nginx" };
    Command::new(program)
        .arg("-p")
        .arg(folder)
        .args(["-e", ERRORS, "-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(stderr)?)
        .spawn()
        .context("starting nginx; scripts/stack install nginx installs it")
}

/// One process for all connections, so that there is one opinion on who is alive. A copy that failed a request is left
/// out for five seconds. A process of an old configuration has ten seconds for what is under way: without that a single
/// connection on which nothing comes any more keeps it.
fn configuration(port: u16, repeat: Repeat, copies: &[&Process]) -> String {
    let servers: String = copies
        .iter()
        .map(|copy| copy.url().trim_start_matches("http://"))
        .map(|address| format!("    server {address} max_fails=1 fail_timeout=5s;\n"))
        .collect();
    format!(
        "daemon off;
worker_processes 1;
worker_shutdown_timeout 10s;
pid nginx.pid;
error_log {ERRORS} warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  log_format run '{format}';
  upstream api {{
    least_conn;
{servers}    keepalive 128;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000;
    access_log ../{ACCESS} run;
    location / {{
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_connect_timeout 1s;
      {repeat};
    }}
  }}
}}
",
        format = super::access::FORMAT,
        repeat = repeat.directive(),
    )
}
