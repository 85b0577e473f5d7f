//! A way between two programs that can be cut.

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

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It arrives.
    Pass,
    /// Requests arrive; the first reply is dropped, and the connection closed.
    CutReplies,
    /// Every connection is reset, and every new one.
    Reset,
    /// It arrives so much later, each piece up to half as much again.
    Latency(Duration),
    /// Nothing arrives; what was sent meanwhile arrives afterwards.
    Blackhole,
}

/// Listens on loopback and forwards to another place. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

const PIECE_BYTES: usize = 64 * 1024;
/// Pieces under way in one direction.
const PIECES_MAX: usize = 256;

impl Proxy {
    /// Forwards what arrives at `listen` (port 0: some free one) to `target`.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn between(listen: &str, target: &str) -> Result<Self> {
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| format!("listening on {listen}"))?;
        let (mode, watched) = watch::channel(Mode::Pass);
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, target.to_owned(), watched));
        Ok(Self {
            address,
            mode,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn accept(listener: TcpListener, target: String, mode: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, target.clone(), mode.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, target: String, mode: watch::Receiver<Mode>) {
    let end = match TcpStream::connect(&target).await {
        Ok(mut server) => {
            let end = forward(&mut client, &mut server, mode).await;
            if end == End::Reset {
                // Fails where the connection is gone already.
                let _ = server.set_zero_linger();
            }
            end
        }
        // What a target that does not listen does, too.
        Err(_) => End::Reset,
    };
    if end == End::Reset {
        let _ = client.set_zero_linger();
    }
}

async fn forward(
    client: &mut TcpStream,
    server: &mut TcpStream,
    mode: watch::Receiver<Mode>,
) -> End {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        end = pump(from_client, to_server, Direction::Request, mode.clone()) => end,
        end = pump(from_server, to_client, Direction::Reply, mode) => end,
    }
}

/// Reading and writing are apart, so that latency delays what is sent and does not slow it down.
async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    mode: watch::Receiver<Mode>,
) -> End {
    let (pieces, waiting) = mpsc::channel(PIECES_MAX);
    let (end, ()) = tokio::join!(
        take(from, pieces, direction, mode.clone()),
        hand_on(to, waiting, mode)
    );
    end
}

type Piece = (Instant, Vec<u8>);

async fn take(
    mut from: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    direction: Direction,
    mut mode: watch::Receiver<Mode>,
) -> End {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        if *mode.borrow_and_update() == Mode::Reset {
            return End::Reset;
        }
        let count = tokio::select! {
            changed = mode.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return End::Closed,
            },
            count = from.read(&mut buffer) => match count {
                Ok(0) => return End::Closed,
                Ok(count) => count,
                Err(_) => return End::Reset,
            },
        };
        let now = *mode.borrow();
        let due = match now {
            Mode::CutReplies if direction == Direction::Reply => return End::Closed,
            Mode::Latency(delay) => Instant::now() + delay.mul_f64(1.0 + fastrand::f64() / 2.0),
            _ => Instant::now(),
        };
        if pieces.send((due, buffer[..count].to_vec())).await.is_err() {
            return End::Closed;
        }
    }
}

/// Ends when everything taken has been handed on, or nobody takes it any more.
async fn hand_on(
    mut to: WriteHalf<'_>,
    mut pieces: mpsc::Receiver<Piece>,
    mut mode: watch::Receiver<Mode>,
) {
    while let Some((due, piece)) = pieces.recv().await {
        sleep_until(due).await;
        let open = mode.wait_for(|mode| *mode != Mode::Blackhole).await.is_ok();
        if !open || to.write_all(&piece).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that echoes, behind a proxy.
    async fn echo() -> Proxy {
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

    async fn say(socket: &mut TcpStream) -> std::io::Result<usize> {
        socket.write_all(b"hello").await?;
        let mut buffer = [0; 5];
        socket.read(&mut buffer).await
    }

    #[tokio::test]
    async fn it_passes_delays_cuts_and_resets() {
        let proxy = echo().await;
        let connect = || TcpStream::connect(proxy.address());
        let mut socket = connect().await.unwrap();
        assert_eq!(say(&mut socket).await.unwrap(), 5);

        let delay = Duration::from_millis(50);
        proxy.set(Mode::Latency(delay));
        let begin = Instant::now();
        assert_eq!(say(&mut socket).await.unwrap(), 5);
        assert!(begin.elapsed() >= 2 * delay);

        proxy.set(Mode::CutReplies);
        assert_eq!(say(&mut socket).await.unwrap(), 0);

        proxy.set(Mode::Pass);
        let mut socket = connect().await.unwrap();
        assert_eq!(say(&mut socket).await.unwrap(), 5);
        proxy.set(Mode::Reset);
        assert!(socket.read(&mut [0; 5]).await.is_err());
        let mut late = connect().await.unwrap();
        assert!(late.read(&mut [0; 5]).await.is_err());
    }

    #[tokio::test]
    async fn what_a_black_hole_swallowed_arrives_afterwards() {
        let proxy = echo().await;
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.set(Mode::Blackhole);
        let wait = Duration::from_millis(50);
        assert!(tokio::time::timeout(wait, say(&mut socket)).await.is_err());
        proxy.set(Mode::Pass);
        assert_eq!(socket.read(&mut [0; 5]).await.unwrap(), 5);
    }
}
