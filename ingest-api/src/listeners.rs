//! The listeners: one for clients and, if OPS_ADDR is set, one for probes and metrics.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use fluxgate_service::ops::{self, Readiness};
use fluxgate_service::settings::{Switch, refuse};
use fluxgate_service::traces::Traces;
use prometheus::{IntCounter, IntGauge, Registry};

use crate::components::Components;
use crate::config::Config;
use crate::http::{self, BodyReader, Observer};
use crate::metrics::Metrics;
use crate::open_files;

/// How long a client may take to send the head of a request.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection stays open after the answer to a request that was not read to its end, so that a client that is
/// still sending can read the answer.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Connections of probes and scrapers. They are part of the open files that are reserved for other than client connections.
const OPS_CONNECTIONS_MAX: usize = 64;

/// A bound server.
#[allow(missing_docs)]
pub struct Listener {
    pub addresses: Vec<SocketAddr>,
    pub server: Server,
}

/// The listener for probes and metrics: clients that hold all CONNECTIONS_MAX connections must not block probes.
pub fn ops(config: &Config, readiness: &Readiness, registry: &Registry) -> Option<Listener> {
    let address = config.http.ops_addr?;
    let (readiness, registry) = (readiness.clone(), registry.clone());
    let server = HttpServer::new(move || {
        App::new().configure(ops::routes(readiness.clone(), registry.clone()))
    })
    .workers(1)
    .max_connections(OPS_CONNECTIONS_MAX)
    .disable_signals()
    .bind(address)
    .unwrap_or_else(|error| refuse("OPS_ADDR", format_args!("{address}: {error}")));
    Some(Listener {
        addresses: server.addrs(),
        server: server.run(),
    })
}

/// The listener for clients.
pub fn clients(
    config: &Config,
    components: Components,
    traces: Traces,
    readiness: &Readiness,
    registry: Registry,
) -> Listener {
    let has_compat_routes = config.compat.compat_routes == Switch::On;
    if has_compat_routes {
        tracing::warn!("COMPAT_ROUTES=on; POST /init opens sales without a token");
    }
    let has_metrics = config.http.ops_addr.is_none();
    let services = Data::new(components.services());
    let connections_max = connections_max(config);
    let connections = ConnectionCount::new(components.metrics(), connections_max);
    let metrics = components.metrics().clone();
    let bodies = BodyReader::new(&config.limits, readiness.clone(), metrics.clone());
    let in_flight_max = config.limits.in_flight_max;
    let observer = Data::new(Observer::new(bodies, metrics, traces, in_flight_max));
    let readiness = readiness.clone();
    let threads = config.http_threads();
    let server = HttpServer::new(move || {
        let app = App::new().configure(ops::probes(readiness.clone()));
        let app = match has_metrics {
            true => app.configure(ops::metrics(registry.clone())),
            false => app,
        };
        let (place_order, statuses) = components.on_this_thread();
        app.configure(http::routes(
            services.clone(),
            Data::new(place_order),
            Data::from(statuses),
            observer.clone(),
            has_compat_routes,
        ))
    })
    .on_connect(move |_, data| {
        data.insert(connections.accept());
    })
    .workers(threads)
    // Per thread.
    .max_connections((connections_max as usize).div_ceil(threads))
    .backlog(config.connections.connections_backlog)
    .keep_alive(config.connections.keep_alive())
    .client_request_timeout(REQUEST_HEAD_TIMEOUT)
    .client_disconnect_timeout(CLOSE_TIMEOUT)
    // A third of the time is left for publishing and for the outbox.
    .shutdown_timeout(config.shutdown.timeout().as_secs().div_ceil(3) * 2)
    .disable_signals();
    let address = config.http.http_addr;
    let server = server
        .bind(address)
        .unwrap_or_else(|error| refuse("HTTP_ADDR", format_args!("{address}: {error}")));
    Listener {
        addresses: server.addrs(),
        server: server.run(),
    }
}

fn connections_max(config: &Config) -> u32 {
    let requested = config.connections.connections_max;
    open_files::connections_max(requested, open_files::raise_limit())
        .unwrap_or_else(|reason| refuse("CONNECTIONS_MAX", reason))
}

/// Counts client connections. The server enforces the limit.
struct ConnectionCount {
    open: IntGauge,
    limit_hits: IntCounter,
    max: i64,
}

/// An open client connection; counted until it is dropped.
struct CountedConnection(IntGauge);

impl ConnectionCount {
    fn new(metrics: &Metrics, max: u32) -> Self {
        Self {
            open: metrics.connections.clone(),
            limit_hits: metrics.connections_limit_hits_total.clone(),
            max: max.into(),
        }
    }

    fn accept(&self) -> CountedConnection {
        self.open.inc();
        if self.open.get() >= self.max {
            self.limit_hits.inc();
        }
        CountedConnection(self.open.clone())
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
