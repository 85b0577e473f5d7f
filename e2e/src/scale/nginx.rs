//! A real nginx in front of instances of the API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use super::access_log::Access;
use crate::process::{Process, children, free_port};
use crate::wait::wait_until;

/// Debian's path of it, which is not on every user's PATH.
const DEBIAN_PATH: &str = "/usr/sbin/nginx";
/// Its logs, beside its folder: there the logs of all others are, and are shown when something fails.
const ACCESS: &str = "nginx-access.log";
const ERRORS: &str = "../nginx-error.log";
const STDERR: &str = "nginx-stderr.log";
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
    logs: PathBuf,
    folder: PathBuf,
    master: Child,
}

impl Nginx {
    /// Starts it in front of these instances, with its logs among the others in `logs`, and its other files in a new
    /// folder there.
    ///
    /// # Errors
    /// When it is not installed or does not start, with what it prints.
    pub async fn start(instances: &[Process], repeat: Repeat, logs: &Path) -> Result<Self> {
        let folder = logs.join("nginx");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let port = free_port()?;
        fs::write(
            folder.join("nginx.conf"),
            configuration(port, repeat, instances),
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
        let outcome = wait_until("nginx listens", LIMIT, async || {
            // An inner error ends the wait.
            if let Some(status) = self.master.try_wait()? {
                let text = fs::read_to_string(self.logs.join(STDERR))?;
                return Ok(Err(anyhow!("nginx ended with {status}: {text}")));
            }
            TcpStream::connect(("127.0.0.1", self.port)).await?;
            Ok(Ok(()))
        });
        outcome.await?
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

    pub fn access_log(&self) -> Result<Vec<Access>> {
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
        // Once it is reaped, its pid may be another process's.
        if let Ok(None) = self.master.try_wait() {
            // Its workers end with it only when it is asked. Both fail only where it has just ended.
            let _ = kill(self.pid(), Signal::SIGTERM);
            let _ = self.master.wait();
        }
    }
}

fn launch(folder: &Path, stderr: &Path) -> Result<Child> {
    let debians = Path::new(DEBIAN_PATH).is_file();
    let program = if debians { DEBIAN_PATH } else { "nginx" };
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

/// One process for all connections, so that there is one view of which instances are alive. An instance that failed a
/// request is left out for five seconds. A process of an old configuration has ten seconds for requests under way:
/// without that a single idle connection keeps it.
fn configuration(port: u16, repeat: Repeat, instances: &[Process]) -> String {
    let servers: String = instances
        .iter()
        .map(|it| it.url().trim_start_matches("http://"))
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
        format = super::access_log::FORMAT,
        repeat = repeat.directive(),
    )
}
