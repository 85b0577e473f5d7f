//! More connections than one process may have: client processes, each with a source address and so
//! with ports of its own.

mod client;
mod split;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

pub use client::{Arguments, run};
pub use split::{Share, split};

use super::mixed::Mixed;

/// Longest that connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(120);
/// Beyond the seconds of the load.
const GRACE: Duration = Duration::from_secs(40);

/// What a client says once its connections are there.
const CONNECTED: &str = "connected";
/// What it waits for then.
const GO: &str = "go";

/// What one client, or all, saw.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// From when each request was due.
    pub latencies_us: Vec<u32>,
    /// Answers other than the one that is due, and none.
    pub wrong: u64,
    /// Connections that had to be made anew.
    pub reconnected: u64,
}

/// What every client does, each over its share of the connections.
#[derive(Debug, Clone)]
pub struct Load {
    pub mixed: Mixed,
    /// Of all clients.
    pub per_second: u32,
    pub seconds: u32,
    /// Of this crowd: no other one in a run has it.
    pub number: u8,
}

/// Clients that are connected. Dropping it ends them.
pub struct Crowd {
    clients: Vec<Client>,
    seconds: u32,
    /// How long connecting took.
    pub connected_after: Duration,
}

impl Crowd {
    /// Starts the clients, and returns once all are connected and each connection was answered once.
    pub async fn gather(servers: &[SocketAddr], connections: u32, load: &Load) -> Result<Self> {
        let shares = split(servers, connections, load.per_second, load.number);
        let started = Instant::now();
        let clients: Result<Vec<_>> = shares.iter().map(|it| Client::start(it, load)).collect();
        let mut clients = clients?;
        for client in &mut clients {
            let said = timeout(CONNECT_LIMIT, client.said.next_line()).await;
            let said = said.context("a client did not connect in time")??;
            anyhow::ensure!(said.as_deref() == Some(CONNECTED), "a client: {said:?}");
        }
        Ok(Self {
            clients,
            seconds: load.seconds,
            connected_after: started.elapsed(),
        })
    }

    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.clients.iter().filter_map(|client| client.child.id())
    }

    /// Lets all of them send their load; what they saw together.
    pub async fn go(&mut self) -> Result<Report> {
        for client in &mut self.clients {
            client.told.write_all(format!("{GO}\n").as_bytes()).await?;
        }
        let limit = Duration::from_secs(self.seconds.into()) + GRACE;
        let mut all = Report::default();
        for client in &mut self.clients {
            let said = timeout(limit, client.said.next_line()).await;
            let said = said.context("a client did not end in time")??;
            let one: Report = serde_json::from_str(&said.context("a client has ended")?)?;
            all.latencies_us.extend(one.latencies_us);
            all.wrong += one.wrong;
            all.reconnected += one.reconnected;
        }
        Ok(all)
    }

    /// Waits until the clients have ended, and with them their connections.
    pub async fn leave(self) -> Result<()> {
        for mut client in self.clients {
            // It ends by itself when nobody can tell it anything any more.
            drop(client.told);
            timeout(GRACE, client.child.wait()).await??;
        }
        Ok(())
    }
}

struct Client {
    child: Child,
    told: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(share: &Share, load: &Load) -> Result<Self> {
        // Cargo puts it beside this program.
        let program = std::env::current_exe()?.with_file_name("crowd");
        let mixed = &load.mixed;
        let run = format!("{}-{}", mixed.run, share.source);
        let mut child = Command::new(&program)
            .args(["--server", &share.server.to_string()])
            .args(["--source", &share.source.to_string()])
            .args(["--connections", &share.connections.to_string()])
            .args(["--per-second", &share.per_second.to_string()])
            .args(["--seconds", &load.seconds.to_string()])
            .args(["--product", &mixed.product, "--run", &run])
            .args(["--taken-every", &mixed.taken_every.to_string()])
            .args(["--users", &mixed.users.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let said = child.stdout.take().context("its stdout is a pipe")?;
        Ok(Self {
            told: child.stdin.take().context("its stdin is a pipe")?,
            said: BufReader::new(said).lines(),
            child,
        })
    }
}
