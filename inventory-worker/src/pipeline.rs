//! The reader and the writers, put together.

use std::sync::Arc;

use fluxgate_service::ops::Check;
use fluxgate_service::settings::refuse;
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, BatchBuilder};
use crate::config::{BatchSettings, Config};
use crate::consumer::{Claims, Lanes, Loader, Log, Member, Reader, ReaderParts};
use crate::database_watch::DatabaseWatch;
use crate::gap_watch::GapWatch;
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::store::Store;
use crate::writer::{DeadLetterTopic, Flusher, Writer};

/// Batches between the reader and each writer: while one is written, the next waits and a third is
/// built.
const BATCHES_WAITING: usize = 1;
/// Commands that may wait for the reader; whoever sends one more waits.
const COMMANDS_WAITING: usize = 1_024;

/// What brings orders from Kafka to PostgreSQL.
#[allow(missing_docs)]
pub struct Pipeline {
    pub config: Config,
    pub store: Store,
    pub metrics: Metrics,
    /// Whether PostgreSQL is there.
    pub database: Check,
    /// Whether the consumer group is joined.
    pub group: Check,
    pub shutdown: CancellationToken,
}

impl Pipeline {
    /// Runs until `shutdown`, and until what was read is written.
    ///
    /// # Errors
    /// When the reader or a writer ended badly: then not all that was read is written. Or when the
    /// group will not have this worker any more.
    pub async fn run(self) -> Result<(), PipelineError> {
        let config = &self.config;
        let topic = config.kafka.kafka_topic.clone();
        let progress = Progress::new(self.metrics.clone());
        let log = Log::open(config, progress.clone(), &self.metrics);
        let log = Arc::new(log.unwrap_or_else(|error| refuse("KAFKA_BROKERS", error)));
        let member = Member::join(config, self.group, &self.metrics);
        let member = Arc::new(member.unwrap_or_else(|error| refuse("KAFKA_BROKERS", error)));
        let dead_letters = DeadLetterTopic::new(
            &config.kafka,
            config.consumer.kafka_dlq_topic.clone(),
            self.metrics.clone(),
        )
        .unwrap_or_else(|error| refuse("KAFKA_BROKERS", error));
        let (to_reader, commands) = mpsc::channel(COMMANDS_WAITING);

        let watch = DatabaseWatch {
            store: self.store.clone(),
            topic: topic.clone(),
            check: self.database,
            progress: progress.clone(),
            commands: to_reader.clone(),
        };
        tokio::spawn(watch.run(self.shutdown.clone()));
        let gaps = GapWatch {
            store: self.store.clone(),
            topic: topic.clone(),
            progress: progress.clone(),
            metrics: self.metrics.clone(),
        };
        tokio::spawn(gaps.run(self.shutdown.clone()));

        let flusher = Flusher {
            store: self.store.clone(),
            topic: topic.clone(),
            dead_letters,
            dead_letters_max: config.batch.dead_letters_max_per_batch as usize,
            commands: to_reader.clone(),
            metrics: self.metrics.clone(),
            shutdown: self.shutdown.clone(),
        };
        let (lanes, mut writers) = lanes(&config.batch, |batches| Writer {
            batches,
            flusher: flusher.clone(),
            member: Arc::clone(&member),
            progress: progress.clone(),
            metrics: self.metrics.clone(),
        });

        let reader = ReaderParts {
            member: Arc::clone(&member),
            log: Arc::clone(&log),
            claims: Claims::new(config.consumer.session()),
            loader: Loader {
                log,
                store: self.store,
                topic,
                progress: progress.clone(),
                commands: to_reader,
            },
            commands,
            lanes,
            progress,
            metrics: self.metrics,
            shutdown: self.shutdown.clone(),
        };
        let reader = Reader::new(reader, Handle::current());
        let reading = std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || reader.run())
            .expect("a process may start a thread");

        let mut outcome: Result<(), PipelineError> = Ok(());
        while let Some(ended) = writers.join_next().await {
            if let Err(panic) = ended {
                // What it was given is not written, and nothing more of its partitions can be.
                tracing::error!("a writer ended badly");
                self.shutdown.cancel();
                outcome = Err(panic.into());
            }
        }
        // The last reference to the member commits its offsets and leaves the group; that blocks.
        let left = tokio::task::spawn_blocking(move || {
            let ended = reading.join();
            drop(member);
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        outcome?;
        Ok(left.await??)
    }
}

/// Why not all is written that could be.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A part of the pipeline ended badly.
    #[error(transparent)]
    Ended(#[from] JoinError),
    /// The group will not have this worker any more.
    #[error("the consumer group is closed to this process: {0}")]
    Expelled(#[from] KafkaError),
}

/// The ways out of the reader, with a running writer at the end of each. A writer ends when the
/// reader has.
fn lanes(
    settings: &BatchSettings,
    writer: impl Fn(mpsc::Receiver<Batch>) -> Writer,
) -> (Lanes, JoinSet<()>) {
    let mut writers = JoinSet::new();
    let lanes = Lanes::new((0..settings.batch_writers).map(|_| {
        let (batches, waiting) = mpsc::channel(BATCHES_WAITING);
        writers.spawn(writer(waiting).run());
        let builder = BatchBuilder::new(settings.batch_max_rows as usize, settings.max_age());
        (builder, batches)
    }));
    (lanes, writers)
}
