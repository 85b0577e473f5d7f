//! The listeners: one for clients and, if OPS_ADDR is set, one for probes and metrics.

use actix_web::App;
use actix_web::web::Data;
use fluxgate_service::ops::{self, Readiness};
use fluxgate_service::server::{ConnectionMetrics, Listener, ServerLimits, listen};
use fluxgate_service::settings::{Switch, refuse};
use fluxgate_service::traces::Traces;
use prometheus::Registry;

use crate::components::Components;
use crate::config::Config;
use crate::http::{self, BodyReader, CorsPolicy, Observer};
use crate::open_files;
use crate::pages::{PageFacts, Pages};

/// Event streams if STREAMS_MAX is not set.
const STREAMS_DEFAULT: u32 = 10_000;

/// The listener for probes and metrics: clients that hold all CONNECTIONS_MAX connections must not block probes. Its
/// connections are part of the open files that are reserved for other than client connections.
pub fn ops(config: &Config, readiness: &Readiness, registry: &Registry) -> Option<Listener> {
    let address = config.http.ops_addr?;
    let limits = ServerLimits {
        request_timeout: config.connections.request_timeout(),
        ..ServerLimits::OPS
    };
    let metrics = ConnectionMetrics::register(registry, "ingest_api_ops");
    let (readiness, registry) = (readiness.clone(), registry.clone());
    let listener = listen(address, limits, metrics, move || {
        App::new().configure(ops::routes(readiness.clone(), registry.clone()))
    });
    let listener =
        listener.unwrap_or_else(|error| refuse("OPS_ADDR", format_args!("{address}: {error}")));
    Some(listener)
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
    let limits = client_limits(config);
    let connections = ConnectionMetrics::register(&registry, "ingest_api");
    let has_metrics = config.http.ops_addr.is_none();
    let streams_max = streams_max(config.connections.streams_max, limits.connections_max);
    let services = Data::new(components.services(readiness, streams_max));
    if has_compat_routes && !services.access.has_identity() {
        tracing::warn!("COMPAT_ROUTES=on; POST /init opens sales without a token");
    }
    let rates = &config.rate_limits;
    if rates.rate_limit_per_address.is_some() && rates.trusted_proxies.is_none() {
        tracing::warn!(
            "RATE_LIMIT_PER_ADDRESS is set without TRUSTED_PROXIES; all clients behind a proxy share one limit"
        );
    }
    let pages = pages(config, services.access.has_identity()).map(Data::new);
    let has_cookies = config.identity.auth_cookie.is_some();
    let origins = config.pages.cors_origins.clone();
    let cors = origins.map(|origins| CorsPolicy::new(origins, has_cookies));
    let metrics = components.metrics().clone();
    let bodies = BodyReader::new(&config.limits, readiness.clone(), metrics.clone());
    let in_flight_max = config.limits.in_flight_max;
    let observer = Data::new(Observer::new(bodies, metrics, traces, in_flight_max));
    let readiness = readiness.clone();
    let address = config.http.http_addr;
    let listener = listen(address, limits, connections, move || {
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
            cors.clone(),
            pages.clone(),
            has_compat_routes,
        ))
    });
    listener.unwrap_or_else(|error| refuse("HTTP_ADDR", format_args!("{address}: {error}")))
}

/// Event streams may not take every connection.
fn streams_max(requested: Option<u32>, connections_max: u32) -> u32 {
    match requested {
        None => STREAMS_DEFAULT.min(connections_max / 2),
        Some(requested) if requested < connections_max => requested,
        Some(_) => refuse(
            "STREAMS_MAX",
            format_args!("must be less than CONNECTIONS_MAX, {connections_max}"),
        ),
    }
}

/// The pages, if they are on. They send the buyer's token as a cookie.
fn pages(config: &Config, has_identity: bool) -> Option<Pages> {
    if config.pages.pages == Switch::Off {
        return None;
    }
    if has_identity && config.identity.auth_cookie.is_none() {
        refuse("PAGES", "with AUTH_… settings, on needs AUTH_COOKIE");
    }
    if !has_identity {
        tracing::warn!("PAGES=on without an identity provider; browsers choose their user ids");
    }
    let checkout_url = config.pages.pages_checkout_url.as_ref();
    Some(Pages::new(&PageFacts {
        has_identity,
        checkout_url: checkout_url.map(|url| url.as_str().to_owned()),
    }))
}

fn client_limits(config: &Config) -> ServerLimits {
    let requested = config.connections.connections_max;
    let connections_max = open_files::connections_max(requested, open_files::raise_limit())
        .unwrap_or_else(|reason| refuse("CONNECTIONS_MAX", reason));
    let request_timeout = config.connections.request_timeout();
    if request_timeout <= config.limits.body_timeout() {
        refuse("REQUEST_TIMEOUT_SECONDS", "must exceed BODY_TIMEOUT_MS");
    }
    ServerLimits {
        threads: config.http_threads(),
        connections_max,
        backlog: config.connections.connections_backlog,
        keep_alive: config.connections.keep_alive(),
        request_timeout,
        // A third of the time is left for publishing and for the outbox.
        shutdown_timeout: config.shutdown.timeout() / 3 * 2,
    }
}
