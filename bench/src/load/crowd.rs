//! More connections than one process may hold: threads, each with open files, a source address and ports of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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

/// Below the open files that a small machine allows, 20,000, and the 28,000 ports of a source address.
const PER_CLIENT_MAX: u32 = 10_000;
const CONNECT_LIMIT: Duration = Duration::from_secs(120);
/// Additional time, beyond the seconds of the load.
const GRACE: Duration = Duration::from_secs(40);

/// The work of one thread.
#[derive(Debug, Clone)]
pub struct Client {
    server: SocketAddr,
    source: IpAddr,
    connections: u32,
    per_second: u32,
    seconds: u32,
    /// The sale that accepts orders.
    open: String,
}

/// Connected clients. Without [`Crowd::go`] they end when it is dropped.
pub struct Crowd(Vec<(mpsc::Sender<()>, JoinHandle<Result<Tally>>, Duration)>);

/// As many clients for each server as its connections need. Crowds with different numbers have different source
/// addresses: the ports of closed connections stay in use for a minute.
pub fn split(
    servers: &[SocketAddr],
    connections: u32,
    (per_second, seconds): (u32, u32),
    open: &str,
    crowd: u8,
) -> Vec<Client> {
    let per_server = connections.div_ceil(PER_CLIENT_MAX).max(1);
    let clients = per_server * servers.len() as u32;
    let first = u32::from(Ipv4Addr::new(127, 1, crowd, 1));
    let part = |whole, parts, n| whole / parts + u32::from(n < whole % parts);
    let client = |n| Client {
        server: servers[(n / per_server) as usize],
        source: Ipv4Addr::from(first + n).into(),
        connections: part(connections, per_server, n % per_server),
        per_second: part(per_second, clients, n),
        seconds,
        open: open.to_owned(),
    };
    (0..clients).map(client).collect()
}

impl Crowd {
    /// Starts the clients. Returns when all are connected and every connection has received one answer.
    pub async fn gather(clients: Vec<Client>) -> Result<Self> {
        let (mut crowd, mut all_connected) = (Vec::new(), Vec::new());
        for client in clients {
            let (connected, is_connected) = oneshot::channel();
            let (go, may_go) = mpsc::channel();
            let limit = Duration::from_secs(client.seconds.into()) + GRACE;
            let thread = thread::spawn(move || client.run(connected, may_go));
            crowd.push((go, thread, limit));
            all_connected.push(is_connected);
        }
        for is_connected in all_connected {
            let connected = timeout(CONNECT_LIMIT, is_connected).await;
            connected?.context("a client could not connect")?;
        }
        Ok(Self(crowd))
    }

    /// Lets all clients send and close their connections; returns their combined results.
    pub async fn go(self) -> Result<Tally> {
        let mut threads = Vec::new();
        for (go, thread, limit) in self.0 {
            go.send(()).context("a client has ended")?;
            threads.push((spawn_blocking(|| thread.join()), limit));
        }
        let mut all = Tally::default();
        for (thread, limit) in threads {
            let tally = timeout(limit, thread).await;
            let tally = tally.context("a client does not end")??;
            all.add(tally.map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(all)
    }
}

impl Client {
    fn run(self, connected: oneshot::Sender<()>, may_go: mpsc::Receiver<()>) -> Result<Tally> {
        // The limit of open files applies to one table, and this thread gets its own table.
        unshare(CloneFlags::CLONE_FILES).context("open files of its own")?;
        let files = open_files::raise_limit();
        ensure!(
            files > self.connections.into(),
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
            let run = format!("{}-{}", self.open, self.source);
            let requests = Requests::mixed(&self.open, &run);
            let pace = Pace::Constant(soon(self.per_second, self.seconds));
            send(connections, pace, requests).await
        })
    }

    /// Sends one request on each connection: a server does not wait long for the first request.
    async fn connect(&self) -> Result<Vec<Connection>> {
        let (look, mut request) = (Requests::product(&self.open), String::new());
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            let mut connection = Connection::from(self.source, self.server);
            let want = look.write(0, self.server, &mut request);
            let answer = connection.ask(request.as_bytes()).await?;
            let is_right = want.is_some_and(|want| want.is_met_by(&answer));
            ensure!(is_right, "the first answer: {answer:?}");
            connections.push(connection);
        }
        Ok(connections)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_is_lost_and_every_client_has_its_own_address_and_few_enough_connections() {
        for (servers, connections) in [(1, 256), (1, 18_000), (3, 18_001), (2, 1)] {
            let servers = vec![([127, 0, 0, 1], 8_000).into(); servers];
            let clients = split(&servers, connections, (2_000, 1), "p", 0);
            let sum = |of: fn(&Client) -> u32| clients.iter().map(of).sum::<u32>();
            assert_eq!(sum(|it| it.connections), connections * servers.len() as u32);
            assert_eq!(sum(|it| it.per_second), 2_000);
            assert!(clients.iter().all(|it| it.connections <= PER_CLIENT_MAX));
            let sources: HashSet<_> = clients.iter().map(|it| it.source).collect();
            assert_eq!(sources.len(), clients.len());
        }
    }
}
