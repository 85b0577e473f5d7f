//! Putting the service together, running it, and taking it down in order.

mod listeners;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use actix_web::dev::{Server, ServerHandle};
use fluxgate_service::metrics::registry_for;
use fluxgate_service::ops::{Need, Readiness};
use fluxgate_service::settings::refuse;
use fluxgate_service::traces::Traces;
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, LedgerSettings, SoldOutSettings};
use crate::http::{AdminToken, CompatLimits, Services};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::orders::{ActiveBuyers, OrderStatusReader, PlaceOrder, ReservationBatcher};
use crate::outbox::{OutboxAcker, OutboxRelay};
use crate::probes;
use crate::publisher::Publisher;
use crate::sales::{SaleCache, SaleChanges, SaleOpener, SaleSnapshots};
use crate::sold_out::RefusalCache;
use fluxgate_gate::{GateMetrics, ReservationStore};
use fluxgate_service::settings::RedisSettings;
use listeners::Listener;

/// Where it listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;
/// The prefix of its metrics.
const SERVICE: &str = "ingest_api";

/// The service, listening but not yet serving.
pub struct Application {
    clients: Listener,
    /// For probes and scrapes, where they have a listener of their own.
    ops: Option<Listener>,
    readiness: Readiness,
    store: ReservationStore,
    publisher: Publisher,
    acker: JoinHandle<()>,
    /// Ends the background loops.
    background: CancellationToken,
    traces: Traces,
    shutdown_timeout: Duration,
}

impl Application {
    /// Opens the port and starts connecting. No store has to be there yet.
    ///
    /// A setting that cannot work ends the program: a URL that a driver refuses, a port that is taken.
    pub fn build(config: Config) -> Self {
        let registry = registry_for(listeners::http_threads(&config));
        let metrics = Metrics::register(&registry, SERVICE);
        let traces = Traces::start(&config.traces, "ingest-api", &registry)
            .unwrap_or_else(|error| refuse("OTEL_EXPORTER_OTLP_ENDPOINT", error));
        let readiness = Readiness::default();
        let background = CancellationToken::new();

        let gate_metrics = GateMetrics::register(&registry, SERVICE);
        let store = ReservationStore::connect(&config.redis, gate_metrics.clone())
            .unwrap_or_else(|error| refuse("REDIS_URL", error.details()));
        let ledger = ledger(&config.ledger, &metrics, &registry);
        let (acknowledged, to_ack) = mpsc::channel(OutboxAcker::QUEUE_MAX);
        let publisher = Publisher::new(
            &config.kafka,
            &config.publisher,
            metrics.clone(),
            acknowledged,
        )
        .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));

        let sales = Arc::new(SaleCache::new(store.clone(), ledger.clone()));
        let acker = OutboxAcker::new(store.clone(), to_ack, metrics.clone());
        let acker = tokio::spawn(acker.run());
        let relay = OutboxRelay::new(
            store.clone(),
            Arc::clone(&sales),
            publisher.clone(),
            config.outbox.clone(),
            metrics.clone(),
        );
        tokio::spawn(relay.run(background.clone()));
        tokio::spawn(probes::refresh_sales(
            Arc::clone(&sales),
            background.clone(),
        ));
        tokio::spawn(probes::watch_redis(
            store.clone(),
            readiness.check("redis", Need::Required),
            background.clone(),
        ));
        tokio::spawn(probes::watch_kafka(
            publisher.clone(),
            readiness.check("kafka", Need::Optional),
            background.clone(),
        ));

        let buyers = ActiveBuyers::new(metrics.active_buyers.clone());
        tokio::spawn(probes::count_buyers(buyers.clone(), background.clone()));
        let statuses = OrderStatusReader::new(store.clone(), ledger);
        let services = Services {
            opener: SaleOpener::new(store.clone(), Arc::clone(&sales), publisher.clone()),
            changes: SaleChanges::new(store.clone(), Arc::clone(&sales), publisher.clone()),
            views: SaleSnapshots::new(store.clone(), metrics.clone()),
            sales: Arc::clone(&sales),
            statuses: statuses.clone(),
            admin: AdminToken(config.admin.admin_token.clone()),
            compat: CompatLimits::new(&config.compat),
            body_limit: config.limits.body_limit_bytes as usize,
        };
        let place_order = PlaceOrderParts {
            redis: config.redis.clone(),
            gate_metrics,
            sold_out: config.sold_out.clone(),
            orders_kept: Arc::default(),
            outbox_max: config.outbox.outbox_max,
            sales,
            publisher: publisher.clone(),
            publish_wait: Duration::from_millis(config.publisher.publish_wait_ms),
            statuses,
            buyers,
            metrics,
        };
        let ops = listeners::ops(&config, &readiness, &registry);
        let clients = listeners::clients(
            &config,
            services,
            place_order,
            traces.clone(),
            &readiness,
            registry,
        );
        Self {
            clients,
            ops,
            readiness,
            store,
            publisher,
            acker,
            background,
            traces,
            shutdown_timeout: config.shutdown.timeout(),
        }
    }

    /// Where it listens; with port 0 in the settings, the port that the system gave.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.clients.addresses
    }

    /// Where it answers probes and scrapes, where OPS_ADDR is set; with port 0, the port that the system gave.
    pub fn ops_addresses(&self) -> &[SocketAddr] {
        self.ops.as_ref().map_or(&[], |ops| &ops.addresses)
    }

    /// Serves until `shutdown`, then drains: no more traffic, what is under way is answered, what
    /// was sent is acknowledged, what was acknowledged is cleared.
    ///
    /// # Errors
    /// When the server itself fails.
    pub async fn run_until_stopped(self, shutdown: CancellationToken) -> std::io::Result<()> {
        for address in self.addresses() {
            tracing::info!(http.address = %address, "listening");
        }
        for address in self.ops_addresses() {
            tracing::info!(ops.address = %address, "listening");
        }
        let ops = self.ops.map(|ops| spawn(ops.server));
        let server = self.clients.server;
        let drain = tokio::spawn(drain(shutdown, self.readiness, server.handle()));
        server.await?;
        let deadline = match drain.await {
            Ok(began) => began + self.shutdown_timeout.mul_f32(0.9),
            Err(_) => Instant::now(),
        };

        self.publisher
            .flush(deadline.saturating_duration_since(Instant::now()))
            .await;
        self.background.cancel();
        drop(self.publisher);
        let left = deadline.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, self.acker).await.is_err() {
            tracing::warn!("not everything was cleared; the outbox keeps it");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = tokio::time::timeout(left, self.store.close()).await;
        let _ = tokio::task::spawn_blocking(move || self.traces.stop()).await;
        // Until now whoever asks is told that this copy drains, and how far it is.
        if let Some(ops) = ops {
            ops.stop(false).await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Waits for the signal, then lets the server finish; returns when the draining began.
async fn drain(shutdown: CancellationToken, readiness: Readiness, server: ServerHandle) -> Instant {
    shutdown.cancelled().await;
    let began = Instant::now();
    readiness.drain();
    server.stop(true).await;
    began
}

fn spawn(server: Server) -> ServerHandle {
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

fn ledger(settings: &LedgerSettings, metrics: &Metrics, registry: &Registry) -> Option<Ledger> {
    let (variable, url) = match (&settings.read_database_url, &settings.database_url) {
        (Some(url), _) => ("READ_DATABASE_URL", url),
        (None, Some(url)) => ("DATABASE_URL", url),
        (None, None) => {
            tracing::warn!("no READ_DATABASE_URL: an order's status ends at `accepted`");
            return None;
        }
    };
    let ledger = Ledger::connect(url, settings, metrics.clone(), registry);
    Some(ledger.unwrap_or_else(|error| refuse(variable, error)))
}

/// What each HTTP thread opens a place_order with.
#[derive(Clone)]
struct PlaceOrderParts {
    redis: RedisSettings,
    gate_metrics: GateMetrics,
    sold_out: SoldOutSettings,
    /// Orders of sold-out sales that all doormen keep.
    orders_kept: Arc<AtomicUsize>,
    outbox_max: u32,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    publish_wait: Duration,
    statuses: OrderStatusReader,
    buyers: ActiveBuyers,
    metrics: Metrics,
}

impl PlaceOrderParts {
    /// A place_order for the calling thread, with connections of its own: what an order waits for comes
    /// back on the thread that took it.
    fn open(self) -> PlaceOrder {
        let store = ReservationStore::connect(&self.redis, self.gate_metrics)
            .expect("the same settings were taken for the other connections");
        PlaceOrder::new(
            RefusalCache::new(
                store.clone(),
                &self.sold_out,
                self.orders_kept,
                self.metrics.clone(),
            ),
            ReservationBatcher::new(store, self.outbox_max, self.metrics.clone()),
            self.sales,
            self.publisher.on_this_thread(),
            self.statuses,
            self.publish_wait,
            self.redis.on_redis_loss,
            self.buyers,
            self.metrics,
        )
    }
}
