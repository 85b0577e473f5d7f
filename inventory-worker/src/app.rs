//! Putting the worker together, running it, and taking it down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};
use backon::{ExponentialBuilder, Retryable};
use fluxgate_core::ops::{self, Check, Need, Readiness};
use fluxgate_core::settings::{Switch, refuse};
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::batch::BatchBuilder;
use crate::config::Config;
use crate::consumer::{Claims, Command, Loader, Log, Member, Reader, ReaderParts};
use crate::metrics::Metrics;
use crate::migrate::{MigrateError, migrate};
use crate::progress::Progress;
use crate::store::{Store, WriteError};
use crate::writer::{DeadLetterTopic, Flusher, Writer};

const DEFAULT_PORT: u16 = 8081;
/// Batches between reader and writer: while one is written, the next waits and a third is built.
const BATCHES_WAITING: usize = 1;
/// Commands that may wait for the reader; whoever sends one more waits.
const COMMANDS_WAITING: usize = 1_024;
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The worker, its port open, not yet reading.
pub struct Worker {
    addresses: Vec<SocketAddr>,
    server: Server,
    config: Config,
    store: Store,
    metrics: Metrics,
    readiness: Readiness,
    database: Check,
    group: Check,
}

impl Worker {
    /// Opens the port. No store has to be there yet.
    ///
    /// A setting that cannot work ends the program: a URL that a driver refuses, a port that is taken.
    pub fn build(config: Config) -> Self {
        let registry = Registry::new();
        registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect("the registry is new");
        let metrics = Metrics::register(&registry);
        let readiness = Readiness::default();
        let database = readiness.check("database", Need::Required);
        let group = readiness.check("kafka", Need::Required);
        let store =
            Store::connect(&config.database).unwrap_or_else(|error| refuse("DATABASE_URL", error));

        let routes = (readiness.clone(), registry);
        let address = config.http.address_or(DEFAULT_PORT);
        let server = HttpServer::new(move || {
            let (readiness, registry) = routes.clone();
            App::new().configure(ops::routes(readiness, registry))
        })
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .bind(address)
        .unwrap_or_else(|error| refuse("HTTP_ADDR", format_args!("{address}: {error}")));
        Self {
            addresses: server.addrs(),
            server: server.run(),
            config,
            store,
            metrics,
            readiness,
            database,
            group,
        }
    }

    /// Where it answers HTTP; with port 0 in the settings, the port that the system gave.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Writes orders until `shutdown`; then writes what was read, and leaves the group.
    ///
    /// # Errors
    /// When the HTTP server fails.
    pub async fn run_until_stopped(self, shutdown: CancellationToken) -> std::io::Result<()> {
        for address in &self.addresses {
            tracing::info!(http.address = %address, "listening");
        }
        let server = self.server.handle();
        let serving = tokio::spawn(self.server);
        let readiness = self.readiness.clone();
        let draining = shutdown.clone();
        tokio::spawn(async move {
            draining.cancelled().await;
            readiness.drain();
        });

        let prepared = prepare(&self.config, &self.store, &self.database);
        tokio::select! {
            () = prepared => {
                let parts = Parts {
                    store: self.store,
                    metrics: self.metrics,
                    database: self.database,
                    group: self.group,
                    shutdown,
                };
                write_orders(self.config, parts).await;
            }
            () = shutdown.cancelled() => {}
        }
        server.stop(true).await;
        tracing::info!("stopped");
        serving.await.map_err(std::io::Error::other)?
    }
}

/// Waits for the stores, as long as it takes, and brings them up to date where that is asked for.
async fn prepare(config: &Config, store: &Store, database: &Check) {
    let attempt = || async {
        if config.migrate.migrate_on_start == Switch::On {
            migrate(config, store).await?;
        }
        store.probe().await.map_err(MigrateError::from)
    };
    let patience = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .without_max_times();
    let prepared = attempt
        .retry(patience)
        .notify(|error: &MigrateError, _| {
            tracing::warn!(%error, "the stores are not ready; trying again");
            database.fail(error.to_string());
        })
        .await;
    if prepared.is_ok() {
        database.pass();
    }
}

/// What reader and writer share.
struct Parts {
    store: Store,
    metrics: Metrics,
    database: Check,
    group: Check,
    shutdown: CancellationToken,
}

/// Runs reader and writer until `shutdown`, and until what was read is written.
async fn write_orders(config: Config, parts: Parts) {
    let Parts {
        store,
        metrics,
        database,
        group,
        shutdown,
    } = parts;
    let progress = Progress::new(metrics.clone());
    let topic = config.kafka.kafka_topic.clone();
    let log = Log::open(&config, progress.clone());
    let log = Arc::new(log.unwrap_or_else(|error| refuse("KAFKA_BROKERS", error)));
    let member = Member::join(&config, group);
    let member = Arc::new(member.unwrap_or_else(|error| refuse("KAFKA_BROKERS", error)));
    let dead_letters = DeadLetterTopic::new(
        &config.kafka,
        config.consumer.kafka_dlq_topic.clone(),
        metrics.clone(),
    )
    .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));

    let (to_reader, commands) = mpsc::channel(COMMANDS_WAITING);
    let (to_writer, batches) = mpsc::channel(BATCHES_WAITING);
    let watch = DatabaseWatch {
        store: store.clone(),
        topic: topic.clone(),
        check: database,
        progress: progress.clone(),
        commands: to_reader.clone(),
    };
    tokio::spawn(watch.run(shutdown.clone()));
    let reader = ReaderParts {
        member: Arc::clone(&member),
        log: Arc::clone(&log),
        claims: Claims::new(config.consumer.session()),
        loader: Loader {
            log,
            store: store.clone(),
            topic: topic.clone(),
            progress: progress.clone(),
            commands: to_reader.clone(),
        },
        commands,
        batches: to_writer,
        builder: BatchBuilder::new(config.batch.batch_max_rows as usize, config.batch.max_age()),
        progress: progress.clone(),
        metrics: metrics.clone(),
        shutdown: shutdown.clone(),
    };
    let writer = Writer {
        batches,
        flusher: Flusher {
            store,
            topic,
            dead_letters,
            dead_letters_max: config.batch.dead_letters_max_per_batch as usize,
            commands: to_reader,
            metrics: metrics.clone(),
            shutdown,
        },
        member: Arc::clone(&member),
        progress,
        metrics,
    };
    let reader = Reader::new(reader, Handle::current());
    let reading = std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || reader.run())
        .expect("a process may start a thread");
    writer.run().await;

    // The last reference to the member commits its offsets and leaves the group; that blocks.
    let left = tokio::task::spawn_blocking(move || {
        let ended = reading.join();
        drop(member);
        ended
    });
    if !matches!(left.await, Ok(Ok(()))) {
        tracing::error!("the reader ended badly");
    }
}

/// Keeps `/readyz` true about PostgreSQL, and notices when it comes back older than it was.
struct DatabaseWatch {
    store: Store,
    topic: String,
    check: Check,
    progress: Progress,
    commands: mpsc::Sender<Command>,
}

impl DatabaseWatch {
    async fn run(self, shutdown: CancellationToken) {
        loop {
            match self.look().await {
                Ok(()) => self.check.pass(),
                Err(error) => self.check.fail(error.to_string()),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PROBE_INTERVAL) => {}
            }
        }
    }

    /// A write would find out by itself; but on a partition where nothing more is to be written,
    /// nobody else would.
    async fn look(&self) -> Result<(), WriteError> {
        self.store.probe().await?;
        // Ours first: positions only grow, unless the database was restored.
        let ours = self.progress.positions();
        let held = self.store.positions(&self.topic).await?;
        for (partition, written) in ours {
            let position = held.get(&partition).copied().unwrap_or_default();
            if position < written {
                tracing::warn!(
                    kafka.partition = partition,
                    position,
                    written,
                    "PostgreSQL came back older than it was; reading again from there"
                );
                // A reader that has ended needs no commands.
                let _ = self.commands.send(Command::Restored { partition }).await;
            }
        }
        Ok(())
    }
}
