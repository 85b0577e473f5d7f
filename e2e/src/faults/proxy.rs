//! A TCP proxy between two programs, which can cut, reset, delay and block their connections.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// What the proxy does with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It forwards them.
    Pass,
    /// It forwards requests. At the first reply it closes the connection.
    CutReplies,
    /// It resets every connection, also new ones.
    Reset,
    /// It delays them by this time, each chunk by up to half as much again.
    Latency(Duration),
    /// It forwards nothing; afterwards it forwards what was sent meanwhile.
    Blackhole,
}

/// Listens on loopback and forwards to another address. Dropping it closes all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// How often it has forgotten its connections.
    forgotten: watch::Sender<usize>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks in flight in one direction.
const CHUNKS_MAX: usize = 256;

impl Proxy {
    /// Forwards connections from `listen` (port 0: any free port) to `target`.
    pub async fn between(listen: &str, target: &str) -> Result<Self> {
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| format!("listening on {listen}"))?;
        let (mode, watched) = watch::channel(Mode::Pass);
        let forgotten = watch::Sender::new(0);
        let address = listener.local_addr()?;
        let forgotten_by = forgotten.subscribe();
        let accepting = tokio::spawn(accept(listener, target.to_owned(), watched, forgotten_by));
        Ok(Self {
            address,
            mode,
            forgotten,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Drops all connections in silence, as a NAT does: they stay open, and nothing passes on them any more. New ones
    /// work.
    pub fn forget_connections(&self) {
        self.forgotten.send_modify(|times| *times += 1);
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    mode: watch::Receiver<Mode>,
    mut forgotten: watch::Receiver<usize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        forgotten.mark_unchanged();
        connections.spawn(serve(
            client,
            target.clone(),
            mode.clone(),
            forgotten.clone(),
        ));
        while connections.try_join_next().is_some() {}
    }
}

/// Until one side closes its connection. An error resets both, also one of a target that does not listen.
async fn serve(
    mut client: TcpStream,
    target: String,
    mode: watch::Receiver<Mode>,
    mut forgotten: watch::Receiver<usize>,
) {
    let Ok(mut server) = TcpStream::connect(&target).await else {
        // Fails if the connection is closed already, here and below.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let ended = tokio::select! {
        ended = copy(from_client, to_server, Direction::Request, mode.clone()) => ended,
        ended = copy(from_server, to_client, Direction::Reply, mode) => ended,
        Ok(()) = forgotten.changed() => pending().await,
    };
    if ended.is_err() {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Reading and writing are separate, so that a delay does not reduce the throughput.
async fn copy(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let (chunks, delayed) = mpsc::channel(CHUNKS_MAX);
    let reading = read_chunks(from, chunks, direction, mode.clone());
    let (ended, ()) = tokio::join!(reading, write_chunks(to, delayed, mode));
    ended
}

type Chunk = (Instant, Vec<u8>);

async fn read_chunks(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<Chunk>,
    direction: Direction,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        if *mode.borrow_and_update() == Mode::Reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = tokio::select! {
            changed = mode.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
            count = from.read(&mut buffer) => count?,
        };
        let now = *mode.borrow();
        let due = match now {
            _ if count == 0 => return Ok(()),
            Mode::CutReplies if direction == Direction::Reply => return Ok(()),
            Mode::Latency(delay) => Instant::now() + delay.mul_f64(1.0 + fastrand::f64() / 2.0),
            _ => Instant::now(),
        };
        if chunks.send((due, buffer[..count].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

/// Returns when every chunk is written, or the connection is closed.
async fn write_chunks(
    mut to: WriteHalf<'_>,
    mut chunks: mpsc::Receiver<Chunk>,
    mut mode: watch::Receiver<Mode>,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        sleep_until(due).await;
        let open = mode.wait_for(|mode| *mode != Mode::Blackhole).await.is_ok();
        if !open || to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// A proxy in front of an echo server.
    async fn echo_server() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = socket.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Proxy::between("127.0.0.1:0", &target).await.unwrap()
    }

    async fn send(socket: &mut TcpStream) -> std::io::Result<usize> {
        socket.write_all(b"hello").await?;
        let mut buffer = [0; 5];
        socket.read(&mut buffer).await
    }

    #[tokio::test]
    async fn forgotten_connections_stay_open_and_silent() {
        let proxy = echo_server().await;
        let connect = || TcpStream::connect(proxy.address());
        let mut forgotten = connect().await.unwrap();
        assert_eq!(send(&mut forgotten).await.unwrap(), 5);
        proxy.forget_connections();
        let mut new = connect().await.unwrap();
        assert_eq!(send(&mut new).await.unwrap(), 5);
        let silence = timeout(Duration::from_millis(50), send(&mut forgotten)).await;
        assert!(silence.is_err(), "{silence:?}");
    }

    #[tokio::test]
    async fn it_passes_delays_blocks_cuts_and_resets() {
        let proxy = echo_server().await;
        let connect = || TcpStream::connect(proxy.address());
        let mut socket = connect().await.unwrap();
        assert_eq!(send(&mut socket).await.unwrap(), 5);

        let delay = Duration::from_millis(50);
        proxy.set(Mode::Latency(delay));
        let begin = Instant::now();
        assert_eq!(send(&mut socket).await.unwrap(), 5);
        assert!(begin.elapsed() >= 2 * delay);

        proxy.set(Mode::Blackhole);
        assert!(timeout(delay, send(&mut socket)).await.is_err());
        proxy.set(Mode::Pass);
        assert_eq!(socket.read(&mut [0; 5]).await.unwrap(), 5);

        proxy.set(Mode::CutReplies);
        assert_eq!(send(&mut socket).await.unwrap(), 0);

        proxy.set(Mode::Pass);
        let mut socket = connect().await.unwrap();
        assert_eq!(send(&mut socket).await.unwrap(), 5);
        proxy.set(Mode::Reset);
        assert!(socket.read(&mut [0; 5]).await.is_err());
        let mut late = connect().await.unwrap();
        assert!(late.read(&mut [0; 5]).await.is_err());
    }
}
