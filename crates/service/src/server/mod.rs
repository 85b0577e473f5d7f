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
use actix_web::dev::{AppConfig, Server, ServerHandle, ServiceResponse, fn_service};
use tokio::net::{TcpSocket, TcpStream};

use crate::essential_tasks::EssentialTasks;
use bounded_stream::{BoundedStream, ConnectionLimits};

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

/// A bound server.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    server: Server,
}

impl Listener {
    /// Serves until the handle stops it. `name` is its name among the essential tasks.
    pub fn serve(self, name: &'static str, tasks: &EssentialTasks) -> ServerHandle {
        let server = self.server;
        let handle = server.handle();
        tasks.spawn(name, async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "{name} failed");
            }
        });
        handle
    }
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
            // The stream limits the first head too. The server would answer 408 to a connection on which nothing has come,
            // and a client that sends its first request at that moment takes this for its answer.
            .client_request_timeout(Duration::ZERO)
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Instant;

    use actix_web::body::BodySize;
    use actix_web::web::{Bytes, to};
    use actix_web::{App, HttpResponse, rt};
    use prometheus::Registry;
    use tokio::io::AsyncWriteExt;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A body that always has more.
    struct Endless;

    impl MessageBody for Endless {
        type Error = Infallible;

        fn size(&self) -> BodySize {
            BodySize::Stream
        }

        fn poll_next(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<std::result::Result<Bytes, Infallible>>> {
            Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 1_024]))))
        }
    }

    fn serve(tasks: &EssentialTasks) -> ServerHandle {
        let metrics = ConnectionMetrics::register(&Registry::new(), "test");
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = listen(address, ServerLimits::OPS, metrics, App::new).unwrap();
        listener.serve("http_listener", tasks)
    }

    #[test]
    fn a_server_that_ends_by_itself_shuts_the_program_down() {
        rt::System::new().block_on(async {
            let shutdown = CancellationToken::new();
            let tasks = EssentialTasks::new(shutdown.clone());
            // The program did not want it.
            serve(&tasks).stop(false).await;
            shutdown.cancelled().await;
            let failure = tasks.outcome().unwrap_err().to_string();
            assert!(failure.contains("http_listener"), "{failure}");
        });
    }

    #[test]
    fn a_server_that_is_stopped_is_no_failure() {
        rt::System::new().block_on(async {
            let shutdown = CancellationToken::new();
            let tasks = EssentialTasks::new(shutdown.clone());
            let server = serve(&tasks);
            shutdown.cancel();
            server.stop(true).await;
            tasks.outcome().unwrap();
        });
    }

    #[test]
    fn a_stream_that_its_client_does_not_read_is_closed_and_holds_little_meanwhile() {
        rt::System::new().block_on(async {
            let registry = Registry::new();
            let metrics = ConnectionMetrics::register(&registry, "test");
            let limits = ServerLimits {
                request_timeout: Duration::from_secs(1),
                ..ServerLimits::OPS
            };
            let address = "127.0.0.1:0".parse().unwrap();
            let app = || App::new().default_service(to(async || HttpResponse::Ok().body(Endless)));
            let listener = listen(address, limits, metrics.clone(), app).unwrap();
            let address = listener.address;
            let handle = listener.serve("http_listener", &EssentialTasks::default());
            let mut client = TcpStream::connect(address).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
            client.write_all(request).await.unwrap();
            let closed = metrics
                .connections_closed_total
                .with_label_values(&["time"]);
            let mut most = 0;
            let deadline = Instant::now() + Duration::from_secs(30);
            while closed.get() == 0 {
                assert!(Instant::now() < deadline, "it is not closed");
                most = most.max(metrics.connection_buffered_bytes.get());
                rt::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(most > 0 && most <= 64 * 1_024, "{most}");
            handle.stop(false).await;
        });
    }
}
