//! HTTP servers in which every connection is bounded in number, time and memory.
//!
//! actix-web's own server has no limit for the head of a second request, for a body that no handler reads and for an answer
//! that no client reads. So this one is put together from the same parts around a connection with these limits.

mod bounded_stream;

use std::future::ready;
use std::io::Result;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceResponse, fn_service};
use tokio::net::{TcpSocket, TcpStream};

use bounded_stream::{BoundedStream, ConnectionLimits};

/// Longest time for the head of a connection's first request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection stays open after the answer to a request that was not read to its end, so that a client that is
/// still sending can read the answer.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

crate::metrics! {
    struct ConnectionMetrics;
    /// Open connections.
    connections: IntGauge,
    /// Connections that brought the listener to its maximum. Further ones wait in the backlog until one closes.
    connections_limit_hits_total: IntCounter,
    /// Bytes of unanswered requests and unread answers, without the first 8 KiB of each connection.
    connection_buffered_bytes: IntGauge,
    /// Connections closed at a limit: time (a request was not complete, or an answer not read, in time), memory (64 MiB of buffered bytes).
    connections_closed_total: IntCounterVec ["limit"] {"time", "memory"},
}

/// The limits of a listener.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Threads that serve it.
    pub threads: usize,
    /// Open connections, on all threads.
    pub connections_max: u32,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// How long a connection may be idle.
    pub keep_alive: Duration,
    /// Longest time from the first byte of a request to the first byte of its answer, and for which a client may not read.
    pub request_timeout: Duration,
    /// How long requests in flight may delay a stop.
    pub shutdown_timeout: Duration,
}

impl ServerLimits {
    /// The limits of a listener for probes and metrics.
    pub const OPS: Self = Self {
        threads: 1,
        connections_max: 64,
        backlog: 1_024,
        keep_alive: Duration::from_secs(75),
        request_timeout: Duration::from_secs(30),
        shutdown_timeout: Duration::from_secs(1),
    };
}

/// A bound server. It serves once it is polled.
#[allow(missing_docs)]
pub struct Listener {
    pub address: SocketAddr,
    pub server: Server,
}

/// Binds `address`; each thread serves an `app` of its own.
///
/// # Errors
/// If the address cannot be bound.
pub fn listen<A, S, B>(
    address: SocketAddr,
    limits: ServerLimits,
    metrics: ConnectionMetrics,
    app: impl Fn() -> A + Send + Clone + 'static,
) -> Result<Listener>
where
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    let socket = bind(address, limits.backlog)?;
    let address = socket.local_addr()?;
    let connections_per_thread = (limits.connections_max as usize).div_ceil(limits.threads);
    let builder = Server::build()
        .workers(limits.threads)
        .max_concurrent_connections(connections_per_thread)
        .shutdown_timeout(limits.shutdown_timeout.as_secs())
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", socket, move || {
        let draining = draining.clone();
        let http = HttpService::build()
            .keep_alive(limits.keep_alive)
            .client_request_timeout(FIRST_HEAD_TIMEOUT)
            .client_disconnect_timeout(CLOSE_TIMEOUT)
            // Idle connections are closed when the server stops.
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .local_addr(address)
            .h1(map_config(app(), |_| AppConfig::default())
                .map_err(|error: Error| error.error_response()));
        let limits = Rc::new(ConnectionLimits {
            request_timeout: limits.request_timeout,
            keep_alive: limits.keep_alive,
            connections_max: limits.connections_max.into(),
            metrics: metrics.clone(),
        });
        fn_service(move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            ready(Ok((BoundedStream::new(io, &limits), peer)))
        })
        .and_then(http)
    })?;
    Ok(Listener {
        address,
        server: builder.run(),
    })
}

fn bind(address: SocketAddr, backlog: u32) -> Result<std::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // So that a restart need not wait for connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)?.into_std()
}
