//! Putting the service together, running it, and taking it down in order.

mod listeners;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use actix_web::dev::{Server, ServerHandle};
use fluxgate_core::metrics::registry_for;
use fluxgate_core::ops::{Need, Readiness};
use fluxgate_core::settings::refuse;
use fluxgate_traces::Traces;
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, LedgerSettings, RedisSettings, SoldOutSettings};
use crate::http::{AdminToken, CompatLimits, Services};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::orders::{Buyers, Desk, Doorman, Statuses, Turnstile};
use crate::outbox::{Clearer, Sweeper};
use crate::probes;
use crate::publisher::Publisher;
use crate::sales::{Catalog, Changes, Opener, Views};
use crate::stock::Stock;
use listeners::Listener;

/// Where it listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;

/// The service, listening but not yet serving.
pub struct Application {
    clients: Listener,
    /// For probes and scrapes, where they have a listener of their own.
    ops: Option<Listener>,
    readiness: Readiness,
    stock: Stock,
    publisher: Publisher,
    clearer: JoinHandle<()>,
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
        let metrics = Metrics::register(&registry);
        let traces = Traces::begin_sending(&config.traces, "ingest-api", &registry)
            .unwrap_or_else(|error| refuse("OTEL_EXPORTER_OTLP_ENDPOINT", error));
        let readiness = Readiness::default();
        let background = CancellationToken::new();

        let stock = Stock::connect(&config.redis, metrics.clone())
            .unwrap_or_else(|error| refuse("REDIS_URL", error.details()));
        let ledger = ledger(&config.ledger, &metrics, &registry);
        let (acknowledged, to_clear) = mpsc::channel(Clearer::QUEUE_MAX);
        let publisher = Publisher::new(
            &config.kafka,
            &config.publisher,
            metrics.clone(),
            acknowledged,
        )
        .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));

        let catalog = Arc::new(Catalog::new(stock.clone(), ledger.clone()));
        let clearer = Clearer::new(stock.clone(), to_clear, metrics.clone());
        let clearer = tokio::spawn(clearer.run());
        let sweeper = Sweeper::new(
            stock.clone(),
            Arc::clone(&catalog),
            publisher.clone(),
            config.outbox.clone(),
            metrics.clone(),
        );
        tokio::spawn(sweeper.run(background.clone()));
        tokio::spawn(probes::tend_sales(Arc::clone(&catalog), background.clone()));
        tokio::spawn(probes::watch_redis(
            stock.clone(),
            readiness.check("redis", Need::Required),
            background.clone(),
        ));
        tokio::spawn(probes::watch_kafka(
            publisher.clone(),
            readiness.check("kafka", Need::Optional),
            background.clone(),
        ));

        let buyers = Buyers::new(metrics.active_buyers.clone());
        tokio::spawn(probes::count_buyers(buyers.clone(), background.clone()));
        let statuses = Statuses::new(stock.clone(), ledger);
        let services = Services {
            opener: Opener::new(stock.clone(), Arc::clone(&catalog), publisher.clone()),
            changes: Changes::new(stock.clone(), Arc::clone(&catalog), publisher.clone()),
            views: Views::new(stock.clone(), metrics.clone()),
            catalog: Arc::clone(&catalog),
            statuses: statuses.clone(),
            admin: AdminToken(config.admin.admin_token.clone()),
            compat: CompatLimits::new(&config.compat),
            body_limit: config.limits.body_limit_bytes as usize,
        };
        let desk = DeskParts {
            redis: config.redis.clone(),
            sold_out: config.sold_out.clone(),
            orders_kept: Arc::default(),
            outbox_max: config.outbox.outbox_max,
            catalog,
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
            desk,
            traces.clone(),
            &readiness,
            registry,
        );
        Self {
            clients,
            ops,
            readiness,
            stock,
            publisher,
            clearer,
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
        if tokio::time::timeout(left, self.clearer).await.is_err() {
            tracing::warn!("not everything was cleared; the outbox keeps it");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = tokio::time::timeout(left, self.stock.close()).await;
        let _ = tokio::task::spawn_blocking(move || self.traces.end_sending()).await;
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

/// What each HTTP thread opens a desk with.
#[derive(Clone)]
struct DeskParts {
    redis: RedisSettings,
    sold_out: SoldOutSettings,
    /// Orders of sold-out sales that all doormen keep.
    orders_kept: Arc<AtomicUsize>,
    outbox_max: u32,
    catalog: Arc<Catalog>,
    publisher: Publisher,
    publish_wait: Duration,
    statuses: Statuses,
    buyers: Buyers,
    metrics: Metrics,
}

impl DeskParts {
    /// A desk for the calling thread, with connections of its own: what an order waits for comes
    /// back on the thread that took it.
    fn open(self) -> Desk {
        let stock = Stock::connect(&self.redis, self.metrics.clone())
            .expect("the same settings were taken for the other connections");
        Desk::new(
            Doorman::new(
                stock.clone(),
                self.sold_out.sign(),
                self.orders_kept,
                self.sold_out.sold_out_orders_max as usize,
                self.metrics.clone(),
            ),
            Turnstile::new(stock, self.outbox_max, self.metrics.clone()),
            self.catalog,
            self.publisher.on_this_thread(),
            self.statuses,
            self.publish_wait,
            self.redis.on_redis_loss,
            self.buyers,
            self.metrics,
        )
    }
}
