use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::process::free_port;
use e2e::until::until;
use tokio::net::TcpStream;

const START_LIMIT: Duration = Duration::from_secs(10);

/// The bare handler as a process; killed when dropped.
pub struct Bare {
    child: Child,
    url: String,
}

impl Bare {
    pub async fn start(log: PathBuf) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        // Cargo puts it beside this program.
        let program = std::env::current_exe()?.with_file_name("bare");
        let log = File::create(log)?;
        let child = Command::new(&program)
            .args(["--http-addr", &address])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let bare = Self {
            child,
            url: format!("http://{address}"),
        };
        until("the bare handler listens", START_LIMIT, async || {
            Ok(TcpStream::connect(&address).await?)
        })
        .await?;
        Ok(bare)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
