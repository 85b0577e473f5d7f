//! Writes the events of the topic to PostgreSQL.
//!
//! ```text
//! reader/        one thread polls the topic; PostgreSQL's positions say where each partition starts
//! batch/         collects records by number or age; those of one partition go to one writer
//! writer/        writes a batch until PostgreSQL has it: position mismatches, refused records, outages
//! dead_letters/  copies and log lines of records that cannot be written
//! ```
//!
//! The next batches are read while some are written. One transaction of [`fluxgate_ledger`] writes a batch. Only [`app`]
//! sees the whole config.

pub mod app;
pub mod batch;
pub mod config;
mod database_monitor;
mod dead_letters;
mod lag_tracker;
mod log_monitor;
mod metrics;
pub mod migrate;
mod pipeline;
mod reader;
mod retry;
mod sequence_gap_monitor;
mod writer;

use fluxgate_service::ops::check_health;
use fluxgate_service::settings::{parse, refuse};
use fluxgate_service::{shutdown, telemetry};

use config::{Cli, Command};

/// The program: reads the settings, then runs until SIGTERM or, for `migrate`, until done.
///
/// # Errors
/// When migrating, the HTTP listener or a task fails.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (Cli { command, config }, effective) = parse();
    let command = command.unwrap_or(Command::Run);
    if command != Command::Health {
        telemetry::init(&config.log);
        effective.log();
    }
    match command {
        Command::Health => check_health(config.http.http_addr)?,
        Command::Migrate => {
            let ledger = config.database.connect(config.batch.batch_writers);
            let ledger = ledger.unwrap_or_else(|error| refuse("DATABASE_URL", error));
            migrate::migrate(&config, &ledger).await?;
        }
        Command::Run => {
            let shutdown = shutdown::on_signal(config.shutdown.timeout())?;
            let worker = app::Worker::build(config);
            worker.run_until_stopped(shutdown).await?;
        }
    }
    Ok(())
}
