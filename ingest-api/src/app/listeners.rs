//! What the service listens on: one address for clients, and perhaps one for those who watch it.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use fluxgate_service::ops::{self, Readiness};
use fluxgate_service::settings::{Switch, refuse};
use fluxgate_service::traces::Traces;
use prometheus::Registry;

use super::{DEFAULT_PORT, PlaceOrderParts};
use crate::config::Config;
use crate::http::{self, Connections, Observer, Services};
use crate::open_files;

/// How long a client may take to send a request's head.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of probes and scrapers: a handful in use, and within the files that are kept back for all
/// but clients.
const OPS_CONNECTIONS_MAX: usize = 64;

/// A server that is bound, and where.
pub struct Listener {
    pub addresses: Vec<SocketAddr>,
    pub server: Server,
}

/// Probes and metrics on an address of their own, where OPS_ADDR asks for it: the crowd that holds all of
/// CONNECTIONS_MAX must not keep probes waiting.
pub fn ops(config: &Config, readiness: &Readiness, registry: &Registry) -> Option<Listener> {
    let address = config.ops.ops_addr?;
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

/// What clients ask.
pub fn clients(
    config: &Config,
    services: Services,
    place_order: PlaceOrderParts,
    traces: Traces,
    readiness: &Readiness,
    registry: Registry,
) -> Listener {
    let with_compat = config.compat.compat_routes == Switch::On;
    if with_compat {
        tracing::warn!("COMPAT_ROUTES=on: anybody may open a sale with POST /init");
    }
    let services = Data::new(services);
    let metrics = place_order.metrics.clone();
    let connections_max = connections_max(config);
    let connections = Connections::new(metrics.clone(), connections_max);
    let observer = Data::new(Observer::new(metrics, traces, config.limits.in_flight_max));
    let readiness = readiness.clone();
    let threads = http_threads(config);
    let watched_elsewhere = config.ops.ops_addr.is_some();
    let server = HttpServer::new(move || {
        let app = App::new().configure(ops::probes(readiness.clone()));
        let app = match watched_elsewhere {
            true => app,
            false => app.configure(ops::metrics(registry.clone())),
        };
        app.configure(http::routes(
            services.clone(),
            Data::new(place_order.clone().open()),
            observer.clone(),
            with_compat,
        ))
    })
    .on_connect(move |_, data| {
        data.insert(connections.accepted());
    })
    .workers(threads)
    // Of each thread.
    .max_connections((connections_max as usize).div_ceil(threads))
    .backlog(config.connections.connections_backlog)
    .keep_alive(config.connections.keep_alive())
    .client_request_timeout(REQUEST_HEAD_TIMEOUT)
    // A third of the time is left for what follows the last answer.
    .shutdown_timeout(config.shutdown.timeout().as_secs().div_ceil(3) * 2)
    .disable_signals();
    let address = config.http.address_or(DEFAULT_PORT);
    let server = server
        .bind(address)
        .unwrap_or_else(|error| refuse("HTTP_ADDR", format_args!("{address}: {error}")));
    Listener {
        addresses: server.addrs(),
        server: server.run(),
    }
}

fn connections_max(config: &Config) -> u32 {
    let wanted = config.connections.connections_max;
    open_files::connections_max(wanted, open_files::raise_limit())
        .unwrap_or_else(|reason| refuse("CONNECTIONS_MAX", reason))
}

/// Threads that answer clients.
pub fn http_threads(config: &Config) -> usize {
    let one_per_core = || std::thread::available_parallelism().map_or(2, usize::from);
    let threads = config.limits.http_threads.map(usize::from);
    threads.unwrap_or_else(one_per_core)
}
