//! The order's way through this service:
//!
//! ```text
//! consumer/   one thread polls the topic; PostgreSQL says where each partition starts
//! batch/      records are gathered by number or age, the ones of a partition always for one writer
//! writer/     a batch is written again until it is: missed positions, refused records, outages
//! store/      one transaction: positions first, then sales, orders, ledger, dead letters
//! ```
//!
//! The next batches are read while some are written. `rdkafka` stays in [`consumer`], [`writer`]'s topic
//! of dead letters and [`topics`]; `tokio_postgres` in [`store`]. Only [`app`] sees the whole config.

pub mod app;
pub mod batch;
pub mod config;
pub mod consumer;
mod database_watch;
mod gap_watch;
pub mod metrics;
pub mod migrate;
mod pipeline;
pub mod progress;
pub mod store;
pub mod topics;
pub mod writer;

use clap::Parser;
use fluxgate_service::ops::check_health;
use fluxgate_service::settings::refuse;
use fluxgate_service::{shutdown, telemetry};

use config::{Cli, Command};

/// The whole program: settings from the environment, until SIGTERM or, for `migrate`, until done.
///
/// # Errors
/// When migrating or the HTTP server fails.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Cli { command, config } = Cli::parse();
    let command = command.unwrap_or(Command::Run);
    if command != Command::Health {
        telemetry::init(&config.log);
    }
    match command {
        Command::Health => check_health(config.http.address_or(app::DEFAULT_PORT))?,
        Command::Migrate => {
            let store = store::Store::connect(&config.database, config.batch.batch_writers)
                .unwrap_or_else(|error| refuse("DATABASE_URL", error));
            migrate::migrate(&config, &store).await?;
        }
        Command::Run => {
            let shutdown = shutdown::on_signal(config.shutdown.timeout())?;
            let worker = app::Worker::build(config);
            worker.run_until_stopped(shutdown).await?;
        }
    }
    Ok(())
}
