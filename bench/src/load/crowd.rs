//! More connections than one process may hold: threads, each with open files, a source address and ports of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ingest_api::open_files;
use nix::sched::{CloneFlags, unshare};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::connection::Connection;
use super::{Pace, Requests, Tally, send, soon};

const CONNECT_LIMIT: Duration = Duration::from_secs(300);
/// Additional time, beyond the seconds of the load.
const GRACE: Duration = Duration::from_secs(40);

/// What all clients of a crowd have in common.
#[derive(Debug, Clone)]
pub struct Load {
    /// To each server: fewer than the open files that a small machine allows, 20,000, and the ports of a source address.
    pub connections: u32,
    /// To each server.
    pub per_second: u32,
    pub seconds: u32,
    /// The sale that accepts orders.
    pub open: String,
}

/// Connected clients, one for each server. Without [`Crowd::go`] they end when it is dropped.
pub struct Crowd {
    clients: Vec<(mpsc::Sender<()>, JoinHandle<Result<Tally>>)>,
    limit: Duration,
}

/// The work of one thread.
struct Client {
    server: SocketAddr,
    source: IpAddr,
    load: Load,
}

impl Crowd {
    /// Starts the clients. Returns when all are connected and every connection has received one answer.
    pub async fn gather(servers: &[SocketAddr], load: &Load) -> Result<Self> {
        let (mut clients, mut all_connected) = (Vec::new(), Vec::new());
        for server in servers.iter().copied() {
            let (connected, is_connected) = oneshot::channel();
            let (go, may_go) = mpsc::channel();
            let (source, load) = (unused_source(), load.clone());
            let client = Client {
                server,
                source,
                load,
            };
            let thread = thread::spawn(move || client.run(connected, may_go));
            clients.push((go, thread));
            all_connected.push(is_connected);
        }
        for is_connected in all_connected {
            let connected = timeout(CONNECT_LIMIT, is_connected).await;
            let connected = connected.context("the connections are not open in time")?;
            connected.context("a client could not connect")?;
        }
        let limit = Duration::from_secs(load.seconds.into()) + GRACE;
        Ok(Self { clients, limit })
    }

    /// Lets all clients send and close their connections; returns their combined results.
    pub async fn go(self) -> Result<Tally> {
        let mut threads = Vec::new();
        for (go, thread) in self.clients {
            go.send(()).context("a client has ended")?;
            threads.push(spawn_blocking(|| thread.join()));
        }
        let mut all = Tally::default();
        for thread in threads {
            let tally = timeout(self.limit, thread).await;
            let tally = tally.context("a client does not end")??;
            all.add(tally.map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(all)
    }
}

/// No two crowds share an address: the ports of closed connections stay in use for a minute.
fn unused_source() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(Ipv4Addr::new(127, 1, 0, 1).to_bits());
    Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

impl Client {
    fn run(self, connected: oneshot::Sender<()>, may_go: mpsc::Receiver<()>) -> Result<Tally> {
        // The limit of open files applies to one table, and this thread gets its own table.
        unshare(CloneFlags::CLONE_FILES).context("open files of its own")?;
        let files = open_files::raise_limit();
        ensure!(
            files > self.load.connections.into(),
            "only {files} open files are allowed"
        );
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let connections = self.connect().await?;
            // Both channels end if the crowd is dropped. This one blocks: another thread could wake this runtime only
            // through a file that is not in its own table.
            if connected.send(()).is_err() || may_go.recv().is_err() {
                return Ok(Tally::default());
            }
            let run = format!("{}-{}", self.load.open, self.source);
            let requests = Requests::mixed(&self.load.open, &run);
            let pace = Pace::Constant(soon(self.load.per_second, self.load.seconds));
            send(connections, pace, requests).await
        })
    }

    /// Sends one request on each connection: a server does not wait long for the first request.
    async fn connect(&self) -> Result<Vec<Connection>> {
        let (look, mut request) = (Requests::product(&self.load.open), String::new());
        let mut connections = Vec::new();
        for _ in 0..self.load.connections {
            let mut connection = Connection::new(Some(self.source), self.server);
            let want = look.write(0, self.server, &mut request);
            let answer = connection.ask(request.as_bytes()).await?;
            let is_right = want.is_some_and(|want| want.is_met_by(&answer));
            ensure!(is_right, "the first answer: {answer:?}");
            connections.push(connection);
        }
        Ok(connections)
    }
}
