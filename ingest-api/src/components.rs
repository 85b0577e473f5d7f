//! The components of the service, built from the settings: what all HTTP threads share, and what each has of its own.

mod ledger;
mod queue_secret;
mod services;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use fluxgate_domain::queue::QueueSecret;
use fluxgate_gate::{GateMetrics, ReservationStore};
use fluxgate_ledger::LedgerReader;
use fluxgate_log::{AckQueue, ClientMetrics, PublisherMetrics};
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::ops::{Need, Readiness};
use fluxgate_service::settings::refuse;
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::ledger::ledger;
use self::queue_secret::queue_secret;
use crate::background;
use crate::config::{Config, QueueSecrets};
use crate::holds::{ExpiryPages, HoldExpirer};
use crate::identity::{IdentityMetrics, IdentityProvider};
use crate::metrics::Metrics;
use crate::orders::{
    ActiveBuyers, OrderStatusReader, OrderStatuses, PlaceOrder, ReservationBatcher,
};
use crate::outbox::{IndexRepair, OutboxAcker, OutboxRelay};
use crate::queue::{Queues, SecretCheck};
use crate::read_batcher::ReadLimits;
use crate::sales::{LossPolicy, PublishedEntry, Publisher, SaleCache, WrittenSales};
use crate::sold_out::RefusalCache;

/// The prefix of the metrics.
const SERVICE: &str = "ingest_api";

/// What all threads share. Clones share their connections and caches.
#[derive(Clone)]
pub struct Components {
    config: Arc<Config>,
    metrics: Metrics,
    gate_metrics: GateMetrics,
    store: ReservationStore,
    publisher: Publisher,
    ledger: Option<LedgerReader>,
    sales: Arc<SaleCache>,
    statuses: OrderStatuses,
    written: Arc<WrittenSales>,
    buyers: ActiveBuyers,
    queues: Arc<Queues>,
    identity: Option<IdentityProvider>,
    /// The secret of the queues of new sales, if they may have queues.
    queue_secret: Option<QueueSecret>,
    /// Orders that the sold-out caches of all threads keep in memory.
    sold_out_orders: Arc<AtomicUsize>,
    tasks: EssentialTasks,
}

impl Components {
    /// Builds the components. The stores need not be available: connections are made in the background. Also returns
    /// the entries that Kafka acknowledges.
    ///
    /// Exits if a driver refuses a setting.
    pub fn build(
        config: Arc<Config>,
        registry: &Registry,
        tasks: &EssentialTasks,
        stop: &CancellationToken,
    ) -> (Self, mpsc::Receiver<Option<PublishedEntry>>) {
        let metrics = Metrics::register(registry, SERVICE);
        let gate_metrics = GateMetrics::register(registry, SERVICE);
        let store = ReservationStore::connect(&config.redis, gate_metrics.clone(), tasks)
            .unwrap_or_else(|error| refuse("REDIS_URL", error.details()));
        let ledger = ledger(&config, registry);
        let (queue, to_ack) = mpsc::channel(OutboxAcker::QUEUE_MAX);
        let full_total = metrics.outbox_ack_queue_full_total.clone();
        let publisher = Publisher::new(
            &config.kafka,
            &config.publisher,
            "ingest-api",
            AckQueue { queue, full_total },
            PublisherMetrics::register(registry, SERVICE),
            &ClientMetrics::register(registry, SERVICE),
            tasks,
        )
        .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));
        let limits = ReadLimits {
            in_flight_max: config.limits.in_flight_max as usize,
            threads: config.http_threads(),
            redis_timeout: Duration::from_millis(config.redis.redis_timeout_ms),
            database_timeout: Duration::from_millis(config.ledger.read_database_timeout_ms),
        };
        let sales = SaleCache::new(store.clone(), ledger.clone(), limits, &metrics, tasks);
        let sales = Arc::new(sales);
        let topic = config.kafka.kafka_topic.clone();
        let written = WrittenSales::new(ledger.clone(), publisher.clone(), topic);
        let queues = Queues::new(
            store.clone(),
            Arc::clone(&sales),
            publisher.clone(),
            LossPolicy::new(store.clone(), config.redis.on_redis_loss, metrics.clone()),
            config
                .queue
                .queue_secrets
                .as_ref()
                .map_or(&[], QueueSecrets::all),
            config.outbox.outbox_max,
            stop.clone(),
            tasks.clone(),
            metrics.clone(),
        );
        let components = Self {
            written: Arc::new(written),
            queues: Arc::new(queues),
            statuses: OrderStatuses::new(
                ledger.clone(),
                Arc::clone(&sales),
                limits,
                metrics.clone(),
                tasks.clone(),
            ),
            sales,
            buyers: ActiveBuyers::new(metrics.active_buyers.clone()),
            identity: IdentityProvider::from_settings(
                &config.identity,
                IdentityMetrics::register(registry, SERVICE),
            ),
            queue_secret: queue_secret(&config),
            sold_out_orders: Arc::default(),
            tasks: tasks.clone(),
            config,
            metrics,
            gate_metrics,
            store,
            publisher,
            ledger,
        };
        (components, to_ack)
    }

    /// The connections to Redis that everything but [`Self::on_this_thread`] uses.
    pub fn store(&self) -> &ReservationStore {
        &self.store
    }

    /// The publisher.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// The metrics of the service.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Spawns the acker. It ends after the last clone of the publisher has been dropped.
    pub fn spawn_acker(&self, to_ack: mpsc::Receiver<Option<PublishedEntry>>) -> JoinHandle<()> {
        let acker = OutboxAcker::new(self.store.clone(), to_ack, self.metrics.clone());
        self.tasks.spawn("outbox_acker", acker.run())
    }

    /// Spawns the loops that run until `stop`.
    pub fn spawn_background(&self, readiness: &Readiness, stop: &CancellationToken) {
        let tasks = &self.tasks;
        let relay = OutboxRelay::new(
            self.store.clone(),
            Arc::clone(&self.sales),
            self.publisher.clone(),
            self.config.outbox.clone(),
            self.metrics.clone(),
        );
        tasks.spawn("outbox_relay", relay.run(stop.clone()));
        if let Some(ledger) = &self.ledger {
            let expiring = self.hold_expirer(ledger.clone()).run(stop.clone());
            tasks.spawn("hold_expirer", expiring);
        }
        let (store, sales) = (self.store.clone(), Arc::clone(&self.sales));
        let repair = IndexRepair::new(store, sales, self.metrics.clone());
        tasks.spawn("index_repair", repair.run(stop.clone()));
        let sales = Arc::clone(&self.sales);
        let refreshing = background::refresh_sales(sales, stop.clone());
        tasks.spawn("sale_refresh", refreshing);
        let buyers = self.buyers.clone();
        let counting = background::count_buyers(buyers, stop.clone());
        tasks.spawn("active_buyers", counting);
        let check = readiness.check("redis", Need::Required);
        let checking = background::check_redis(self.store.clone(), check, stop.clone());
        tasks.spawn("redis_check", checking);
        let (store, metrics) = (self.store.clone(), self.metrics.clone());
        let checking = background::check_eviction(store, metrics, stop.clone());
        tasks.spawn("eviction_check", checking);
        let check = readiness.check("queue_secrets", Need::Required);
        let gauge = self.metrics.sales_without_queue_secret.clone();
        let checking = SecretCheck::new(self.store.clone(), Arc::clone(&self.queues), check, gauge);
        tasks.spawn("queue_secret_check", checking.run(stop.clone()));
        let check = readiness.check("kafka", Need::Optional);
        let checking = background::check_kafka(self.publisher.clone(), check, stop.clone());
        tasks.spawn("kafka_check", checking);
        if let Some(loader) = self.identity.as_ref().and_then(|it| it.loader.clone()) {
            let check = readiness.check("jwks", Need::Required);
            tasks.spawn("key_loader", loader.run(check, stop.clone()));
        }
    }

    fn hold_expirer(&self, ledger: LedgerReader) -> HoldExpirer {
        let pages = ExpiryPages::new(
            self.store.clone(),
            self.publisher.clone(),
            ledger,
            self.config.kafka.kafka_topic.clone(),
            self.config.outbox.outbox_max,
            self.metrics.clone(),
        );
        let sales = Arc::clone(&self.sales);
        HoldExpirer::new(self.store.clone(), sales, pages, self.metrics.clone())
    }

    /// What the calling HTTP thread has of its own, with its own connections to Redis: an answer arrives on the thread that
    /// waits for it.
    pub fn on_this_thread(&self) -> (PlaceOrder, Arc<OrderStatusReader>) {
        let config = &self.config;
        let store =
            ReservationStore::connect(&config.redis, self.gate_metrics.clone(), &self.tasks)
                .expect("the same settings made the other connections");
        let refusals = RefusalCache::new(
            store.clone(),
            &config.sold_out,
            Arc::clone(&self.sold_out_orders),
            self.metrics.clone(),
        );
        let outbox = config.outbox.clone();
        let queued_max = config.limits.in_flight_max as usize;
        let statuses = Arc::new(self.statuses.on_this_thread(store.clone()));
        let losses = LossPolicy::new(
            store.clone(),
            config.redis.on_redis_loss,
            self.metrics.clone(),
        );
        let place_order = PlaceOrder::new(
            refusals,
            ReservationBatcher::new(store, outbox, queued_max, self.metrics.clone()),
            Arc::clone(&self.sales),
            self.publisher.on_this_thread(),
            Arc::clone(&statuses),
            Arc::clone(&self.written),
            config.publisher.wait(),
            losses,
            self.buyers.on_this_thread(),
            Arc::clone(&self.queues),
            self.metrics.clone(),
        );
        (place_order, statuses)
    }
}
