//! The life of the service: build, serve, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_gate::ReservationStore;
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::metrics::registry_for;
use fluxgate_service::ops::Readiness;
use fluxgate_service::server::Listener;
use fluxgate_service::settings::refuse;
use fluxgate_service::traces::Traces;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::components::Components;
use crate::config::Config;
use crate::listeners;
use crate::sales::Publisher;

/// The service, listening but not yet serving.
pub struct Application {
    clients: Listener,
    /// For probes and metrics, if OPS_ADDR is set.
    ops: Option<Listener>,
    readiness: Readiness,
    store: ReservationStore,
    publisher: Publisher,
    acker: JoinHandle<()>,
    tasks: EssentialTasks,
    shutdown: CancellationToken,
    /// Stops the background loops.
    background: CancellationToken,
    traces: Traces,
    shutdown_timeout: Duration,
}

impl Application {
    /// Binds the listeners and starts to connect. The stores need not be available. It is to run until `shutdown`.
    ///
    /// Exits if a setting cannot be used, such as a URL that a driver refuses or a port that is taken.
    pub fn build(config: Config, shutdown: CancellationToken) -> Self {
        let config = Arc::new(config);
        let registry = registry_for(config.http_threads());
        let traces = Traces::start(&config.traces, "ingest-api", &registry)
            .unwrap_or_else(|error| refuse("OTEL_EXPORTER_OTLP_ENDPOINT", error));
        let tasks = EssentialTasks::new(shutdown.clone());
        let background = CancellationToken::new();
        let (components, to_ack) =
            Components::build(Arc::clone(&config), &registry, &tasks, &background);

        let readiness = Readiness::default();
        let acker = components.spawn_acker(to_ack);
        components.spawn_background(&readiness, &background);

        let ops = listeners::ops(&config, &readiness, &registry);
        let (store, publisher) = (components.store().clone(), components.publisher().clone());
        let clients = listeners::clients(&config, components, traces.clone(), &readiness, registry);
        Self {
            clients,
            ops,
            readiness,
            store,
            publisher,
            acker,
            tasks,
            shutdown,
            background,
            traces,
            shutdown_timeout: config.shutdown.timeout(),
        }
    }

    /// The address for clients, with the actual port if HTTP_ADDR has port 0.
    pub fn address(&self) -> SocketAddr {
        self.clients.address
    }

    /// The address for probes and metrics if OPS_ADDR is set, with the actual port if it has port 0.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(|ops| ops.address)
    }

    /// Serves until the shutdown, then drains: refuses new connections, answers the requests in flight, waits for Kafka's
    /// acknowledgements, removes the acknowledged outbox entries.
    ///
    /// # Errors
    /// If a listener or a background task failed; that ends the service, too.
    pub async fn run_until_stopped(self) -> std::io::Result<()> {
        tracing::info!(http.address = %self.address(), "listening");
        if let Some(address) = self.ops_address() {
            tracing::info!(ops.address = %address, "listening");
        }
        let ops = self.ops.map(|ops| ops.serve("ops_listener", &self.tasks));
        let clients = self.clients.serve("http_listener", &self.tasks);
        self.shutdown.cancelled().await;
        let deadline = Instant::now() + self.shutdown_timeout.mul_f32(0.9);
        self.readiness.drain();
        clients.stop(true).await;

        self.publisher
            .flush(deadline.saturating_duration_since(Instant::now()))
            .await;
        self.background.cancel();
        drop(self.publisher);
        let left = deadline.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, self.acker).await.is_err() {
            tracing::warn!("shutdown timed out; acknowledged entries stay in the outbox");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = tokio::time::timeout(left, self.store.close()).await;
        let _ = tokio::task::spawn_blocking(move || self.traces.stop()).await;
        // Last, so that probes and metrics show the whole drain.
        if let Some(ops) = ops {
            ops.stop(false).await;
        }
        tracing::info!("stopped");
        self.tasks.outcome()
    }
}
