//! The reader, the writers and the monitors, put together.

use std::sync::Arc;

use fluxgate_domain::batch::Batch;
use fluxgate_ledger::Ledger;
use fluxgate_log::{
    ClientMetrics, GroupError, GroupMembership, LogBounds, LogError, RecordReader, TopicReader,
};
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::ops::Check;
use fluxgate_service::settings::refuse;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::batch::BatchBuilder;
use crate::config::{BatchSettings, Config};
use crate::database_monitor::DatabaseMonitor;
use crate::dead_letters::{DeadLetterCopier, DeadLetterTopic};
use crate::lag_tracker::LagTracker;
use crate::log_monitor::LogMonitor;
use crate::metrics::Metrics;
use crate::reader::{Command, Connect, PartitionDispatcher, Reader, ReaderParts, StartOffsets};
use crate::sequence_gap_monitor::SequenceGapMonitor;
use crate::writer::{FailingWrites, Flusher, Writer};

/// The name of the Kafka clients in the brokers' logs.
const CLIENT_ID: &str = "inventory-worker";
/// Batches that wait for each writer: while one is written, the next waits and a third is built.
const BATCHES_WAITING: usize = 1;
/// Commands that may wait for the reader; the sender of one more waits.
const COMMANDS_WAITING: usize = 1_024;

/// Brings orders from Kafka to PostgreSQL.
#[allow(missing_docs)]
pub struct Pipeline {
    pub config: Config,
    pub ledger: Ledger,
    pub metrics: Metrics,
    pub clients: ClientMetrics,
    /// Whether PostgreSQL is available.
    pub database: Check,
    /// Whether the consumer group is joined.
    pub group: Check,
    /// Whether the topic exists.
    pub topic: Check,
    /// Whether no partition is halted.
    pub partitions: Check,
    pub tasks: EssentialTasks,
    pub shutdown: CancellationToken,
}

/// The Kafka clients of the worker.
struct Clients {
    membership: Arc<GroupMembership>,
    dead_letters: DeadLetterTopic,
}

/// The batches that each writer takes, and the writers that take them.
struct Writers {
    dispatcher: PartitionDispatcher,
    running: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Runs until the shutdown, and until what was read is written.
    ///
    /// # Errors
    /// When the group no longer accepts this worker.
    pub async fn run(self) -> Result<(), GroupError> {
        let lag = LagTracker::new(self.metrics.clone(), self.partitions.clone());
        let clients = self
            .connect()
            .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));
        let (to_reader, commands) = mpsc::channel(COMMANDS_WAITING);
        let failing = FailingWrites::default();
        self.spawn_monitors(&lag, &failing, &to_reader);
        let dead_letters_written = Arc::new(Notify::new());
        let copier = self.copier(clients.dead_letters.clone(), &dead_letters_written);
        let copying = copier.run(self.shutdown.clone());
        let copying = self.tasks.spawn("dead_letter_copier", copying);
        let writers = self.spawn_writers(&clients, &lag, failing, &to_reader, dead_letters_written);

        let connect = self.connect_reader(&lag);
        let records = self.records();
        let topic = self.config.kafka.kafka_topic;
        let reader = ReaderParts {
            membership: Arc::clone(&clients.membership),
            connect,
            session: self.config.consumer.membership.session(),
            start_offsets: StartOffsets {
                log: records,
                ledger: self.ledger,
                topic,
                metrics: self.metrics.clone(),
                commands: to_reader,
            },
            commands,
            dispatcher: writers.dispatcher,
            lag,
            metrics: self.metrics,
            shutdown: self.shutdown.clone(),
        };
        let reader = Reader::new(reader, Handle::current())
            .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));
        let running = self.tasks.begin("reader");
        let reading = std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || {
                let outcome = reader.run();
                // It ends by itself if the group refuses this worker.
                drop(running);
                outcome
            })
            .expect("a process may start a thread");

        for writer in writers.running {
            // The essential tasks have the panic.
            writer.await.ok();
        }
        // Dropping the last reference to the membership commits its offsets and leaves the group, which blocks.
        let membership = clients.membership;
        let left = tokio::task::spawn_blocking(move || {
            let outcome = reading.join();
            drop(membership);
            outcome.unwrap_or(Ok(()))
        });
        copying.await.ok();
        left.await.unwrap_or(Ok(()))
    }

    /// What makes the client that reads the topic.
    fn connect_reader(&self, lag: &LagTracker) -> Connect {
        let kafka = self.config.kafka.clone();
        let group = self.config.consumer.kafka_group.clone();
        let (lag, metrics) = (lag.clone(), self.clients.clone());
        Box::new(move || {
            let report = lag.clone();
            let on_bounds = Box::new(move |logs: &mut dyn Iterator<Item = (i32, LogBounds)>| {
                report.report(logs);
            });
            TopicReader::new(&kafka, CLIENT_ID, &group, on_bounds, &metrics)
        })
    }

    fn records(&self) -> Arc<RecordReader> {
        let group = &self.config.consumer.kafka_group;
        Arc::new(RecordReader::new(&self.config.kafka, CLIENT_ID, group))
    }

    fn connect(&self) -> Result<Clients, LogError> {
        let (kafka, consumer) = (&self.config.kafka, &self.config.consumer);
        let group = &consumer.kafka_group;
        let membership = GroupMembership::join(
            kafka,
            &consumer.membership,
            CLIENT_ID,
            group,
            self.group.clone(),
            &self.clients,
        )?;
        let dead_letters = DeadLetterTopic::new(kafka, &consumer.kafka_dlq_topic, &self.clients)?;
        Ok(Clients {
            membership: Arc::new(membership),
            dead_letters,
        })
    }

    fn spawn_monitors(
        &self,
        lag: &LagTracker,
        failing: &FailingWrites,
        to_reader: &mpsc::Sender<Command>,
    ) {
        let topic = &self.config.kafka.kafka_topic;
        let database = DatabaseMonitor {
            ledger: self.ledger.clone(),
            topic: topic.clone(),
            check: self.database.clone(),
            failing: failing.clone(),
            lag: lag.clone(),
            commands: to_reader.clone(),
        };
        let running = database.run(self.shutdown.clone());
        self.tasks.spawn("database_monitor", running);
        let logs = LogMonitor {
            records: self.records(),
            ledger: self.ledger.clone(),
            topic: topic.clone(),
            check: self.topic.clone(),
            lag: lag.clone(),
            metrics: self.metrics.clone(),
            commands: to_reader.clone(),
        };
        let running = logs.run(self.shutdown.clone());
        self.tasks.spawn("log_monitor", running);
        let gaps = SequenceGapMonitor {
            ledger: self.ledger.clone(),
            topic: topic.clone(),
            lag: lag.clone(),
            metrics: self.metrics.clone(),
        };
        let running = gaps.run(self.shutdown.clone());
        self.tasks.spawn("sequence_gap_monitor", running);
    }

    fn copier(&self, topic: DeadLetterTopic, written: &Arc<Notify>) -> DeadLetterCopier {
        DeadLetterCopier {
            ledger: self.ledger.clone(),
            source: self.config.kafka.kafka_topic.clone(),
            topic,
            written: Arc::clone(written),
            metrics: self.metrics.clone(),
        }
    }

    /// Starts the writers. Each ends once the dispatcher is gone and its batches are written.
    fn spawn_writers(
        &self,
        clients: &Clients,
        lag: &LagTracker,
        failing: FailingWrites,
        to_reader: &mpsc::Sender<Command>,
        dead_letters_written: Arc<Notify>,
    ) -> Writers {
        let settings = &self.config.batch;
        let flusher = Flusher {
            ledger: self.ledger.clone(),
            topic: self.config.kafka.kafka_topic.clone(),
            dead_letters_written,
            dead_letters_max: settings.dead_letters_max_per_batch as usize,
            commands: to_reader.clone(),
            failing,
            metrics: self.metrics.clone(),
            shutdown: self.shutdown.clone(),
        };
        let mut running = Vec::new();
        let queues = (0..settings.batch_writers).map(|_| {
            let (batches, waiting) = mpsc::channel::<Batch>(BATCHES_WAITING);
            let writer = Writer {
                batches: waiting,
                flusher: flusher.clone(),
                membership: Arc::clone(&clients.membership),
                lag: lag.clone(),
                metrics: self.metrics.clone(),
            };
            let essential = self.tasks.begin("writer");
            running.push(tokio::spawn(async move {
                writer.run().await;
                essential.finish();
            }));
            (builder(settings), batches)
        });
        let dispatcher = PartitionDispatcher::new(queues, settings.interval());
        Writers {
            dispatcher,
            running,
        }
    }
}

fn builder(settings: &BatchSettings) -> BatchBuilder {
    BatchBuilder::new(settings.batch_max_rows as usize, settings.max_age())
}
