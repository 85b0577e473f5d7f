//! Assembles the worker, runs it and stops it in order.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::App;
use backon::Retryable;
use fluxgate_ledger::Ledger;
use fluxgate_log::{ClientMetrics, check_cleanup_policy};
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::metrics::registry;
use fluxgate_service::ops::{self, Check, Need, Readiness};
use fluxgate_service::server::{ConnectionMetrics, Listener, ServerLimits, listen};
use fluxgate_service::settings::{Switch, refuse};
use fluxgate_service::traces::Traces;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::migrate::{MigrateError, migrate};
use crate::pipeline::Pipeline;
use crate::retry::retry_delays;

/// The prefix of its metrics.
const SERVICE: &str = "inventory_worker";

/// The worker: its port is open, it does not read yet.
pub struct Worker {
    listener: Listener,
    config: Config,
    ledger: Ledger,
    metrics: Metrics,
    clients: ClientMetrics,
    traces: Traces,
    readiness: Readiness,
    database: Check,
    group: Check,
    topic: Check,
    partitions: Check,
}

impl Worker {
    /// Opens the port. No store has to be reachable yet.
    ///
    /// Exits the program if a setting cannot work: a URL that a driver refuses, a port that is in use.
    pub fn build(config: Config) -> Self {
        let registry = registry();
        let metrics = Metrics::register(&registry, SERVICE);
        let clients = ClientMetrics::register(&registry, SERVICE);
        let traces = Traces::start(&config.traces, "inventory-worker", &registry)
            .unwrap_or_else(|error| refuse("OTEL_EXPORTER_OTLP_ENDPOINT", error));
        let readiness = Readiness::default();
        let database = readiness.check("database", Need::Required);
        let group = readiness.check("kafka", Need::Required);
        let topic = readiness.check("topic", Need::Required);
        let partitions = readiness.check("partitions", Need::Optional);
        let ledger = config.database.connect(config.batch.batch_writers);
        let ledger = ledger.unwrap_or_else(|error| refuse("DATABASE_URL", error));
        ledger.register_metrics(&registry, SERVICE);

        let connections = ConnectionMetrics::register(&registry, SERVICE);
        let routes = (readiness.clone(), registry);
        let address = config.http.http_addr;
        let listener = listen(address, ServerLimits::OPS, connections, move || {
            let (readiness, registry) = routes.clone();
            App::new().configure(ops::routes(readiness, registry))
        });
        let listener = listener
            .unwrap_or_else(|error| refuse("HTTP_ADDR", format_args!("{address}: {error}")));
        Self {
            listener,
            config,
            ledger,
            metrics,
            clients,
            traces,
            readiness,
            database,
            group,
            topic,
            partitions,
        }
    }

    /// Where it serves HTTP; with port 0 in the settings, the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }

    /// Writes orders until `shutdown`; then writes what was read, and leaves the group.
    ///
    /// # Errors
    /// When the group no longer accepts this worker, or the HTTP listener or a task fails; that ends the worker, too.
    pub async fn run_until_stopped(self, shutdown: CancellationToken) -> std::io::Result<()> {
        tracing::info!(http.address = %self.address(), "listening");
        let tasks = EssentialTasks::new(shutdown.clone());
        let server = self.listener.serve("http_listener", &tasks);
        let readiness = self.readiness.clone();
        let draining = shutdown.clone();
        tokio::spawn(async move {
            draining.cancelled().await;
            readiness.drain();
        });

        let prepared = prepare(&self.config, &self.ledger, &self.database, &self.group);
        let written = tokio::select! {
            () = prepared => {
                let pipeline = Pipeline {
                    config: self.config,
                    ledger: self.ledger,
                    metrics: self.metrics,
                    clients: self.clients,
                    database: self.database,
                    group: self.group,
                    topic: self.topic,
                    partitions: self.partitions,
                    tasks: tasks.clone(),
                    shutdown,
                };
                pipeline.run().await.map_err(std::io::Error::other)
            }
            () = shutdown.cancelled() => Ok(()),
        };
        server.stop(true).await;
        let _ = tokio::task::spawn_blocking(move || self.traces.stop()).await;
        tracing::info!("stopped");
        written?;
        tasks.outcome()
    }
}

/// Waits until the stores are reachable, and brings them up to date if MIGRATE_ON_START is on.
async fn prepare(config: &Config, ledger: &Ledger, database: &Check, kafka: &Check) {
    let attempt = || async {
        if config.migrate.migrate_on_start == Switch::On {
            migrate(config, ledger).await?;
        }
        ledger.check_encoding().await?;
        ledger.probe().await?;
        database.pass();
        let topic = &config.kafka.kafka_topic;
        Ok(check_cleanup_policy(&config.kafka, "inventory-worker", topic).await?)
    };
    // It retries for ever.
    let _ = attempt
        .retry(retry_delays().with_min_delay(Duration::from_millis(200)))
        .notify(|error: &MigrateError, _| {
            tracing::warn!(%error, "stores not ready; retrying");
            let store = match error {
                MigrateError::Topics(_) => kafka,
                MigrateError::Schema(_) | MigrateError::Ledger(_) => database,
            };
            store.fail(error.to_string());
        })
        .await;
}
