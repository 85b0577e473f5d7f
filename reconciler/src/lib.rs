//! Compares what the stores hold about each sale, and repairs what one of them has lost.
//!
//! ```text
//! audit/      reads each sale, compares the stores, prints a table            (writes nothing)
//! accept_log  ends the halt of a partition                                     (its log is another one)
//! republish   publishes the events of records that PostgreSQL lacks           (Kafka lost the end of its log)
//! rebuild     stops a sale, fences its log, restores Redis from PostgreSQL    (Redis lost writes)
//! flow        reads one sale in the order in which an order travels
//! unwritten   the records in Redis that PostgreSQL lacks
//! ```

pub mod accept_log;
pub mod audit;
pub mod config;
pub mod flow;
pub mod rebuild;
pub mod republish;
mod unwritten;

use std::time::Duration;

use fluxgate_gate::{GateError, GateMetrics, ReservationStore};
use fluxgate_ledger::{AuditError, AuditReader, Ledger};
use fluxgate_log::{AppenderSettings, ClientMetrics, LogError, TopicAppender};
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::settings::{KafkaSettings, refuse};
use prometheus::Registry;

use config::Settings;

/// How long the brokers may take for one answer.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a transaction that writes to the ledger may take.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(10);

/// The three stores.
pub struct Stores {
    /// Redis.
    pub gate: ReservationStore,
    /// Kafka.
    pub log: TopicAppender,
    /// PostgreSQL.
    pub ledger: AuditReader,
}

/// Why the result is undecided, or the command stopped.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// Redis gave no usable answer.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Kafka gave no usable answer.
    #[error("Kafka: {0}")]
    Log(#[from] LogError),
    /// PostgreSQL gave no usable answer.
    #[error("PostgreSQL: {0}")]
    Ledger(#[from] AuditError),
    /// The workers have not written up to the wanted offset in time.
    #[error(
        "partition {partition} is written up to offset {position}, not up to {wanted}: no worker runs, or the partition is halted"
    )]
    Behind {
        /// The partition.
        partition: i32,
        /// The offset up to which it is written.
        position: i64,
        /// The offset up to which it should be written.
        wanted: i64,
    },
    /// Kafka has lost records that PostgreSQL has read.
    #[error(
        "partition {partition} is written up to offset {position}, but its log ends at {end}: Kafka has lost records; a worker halts the partition, then see `reconciler accept-log`"
    )]
    Shorter {
        /// The partition.
        partition: i32,
        /// The offset up to which it is written.
        position: i64,
        /// The end of its log.
        end: i64,
    },
    /// No worker reads the partition before an operator has decided.
    #[error("partition {partition} is halted ({because}); see `reconciler accept-log`")]
    Halted {
        /// The partition.
        partition: i32,
        /// Why.
        because: String,
    },
}

impl Stores {
    /// Connects to all of them.
    ///
    /// # Errors
    /// When PostgreSQL does not answer. Redis and Kafka are connected on first use.
    pub async fn connect(settings: &Settings) -> Result<Self, Undecided> {
        let metrics = GateMetrics::register(&Registry::new(), "reconciler");
        let gate = ReservationStore::connect(&settings.redis, metrics, &EssentialTasks::default())
            .unwrap_or_else(|error| refuse("REDIS_URL", error.details()));
        let topic = &settings.kafka.kafka_topic;
        let ledger = AuditReader::connect(&settings.postgres, "reconciler", topic).await;
        if let Err(AuditError::Url(error)) = &ledger {
            refuse("DATABASE_URL", error);
        }
        Ok(Self {
            gate,
            log: log(&settings.kafka)?,
            ledger: ledger?,
        })
    }
}

/// The connection that writes to the ledger. It is made on first use.
pub fn writer(settings: &Settings) -> Ledger {
    Ledger::connect(&settings.postgres, "reconciler", 1, LEDGER_TIMEOUT)
        .unwrap_or_else(|error| refuse("DATABASE_URL", error))
}

fn log(kafka: &KafkaSettings) -> Result<TopicAppender, LogError> {
    let settings = AppenderSettings {
        client_id: "reconciler",
        topic: &kafka.kafka_topic,
        timeout: KAFKA_TIMEOUT,
        keeps_order: true,
    };
    let metrics = ClientMetrics::register(&Registry::new(), "reconciler");
    TopicAppender::new(kafka, settings, &metrics)
}
