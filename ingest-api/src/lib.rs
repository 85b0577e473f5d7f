//! The order's way through this service:
//!
//! ```text
//! http/       reads and checks the request                    POST /orders + Idempotency-Key
//! orders/     the use case: derives the order id, asks the stock, publishes, answers
//! sales/      finds the sale's fixed facts (remembered), opens sales
//! publisher/  one message to Kafka, acks=all, waited for at most PUBLISH_WAIT_MS
//! outbox/     clears the entry once Kafka has it; publishes again what nobody published
//! ledger/     reads PostgreSQL: how far an order came, whether a lost sale existed
//! ```
//!
//! Each store's driver stays in one folder: `rdkafka` in [`publisher`],
//! `tokio_postgres` in [`ledger`]. Only [`http`] knows status codes, only [`app`] the whole config.

pub mod app;
mod boot_instant;
pub mod config;
pub mod http;
pub mod ledger;
pub mod metrics;
pub mod open_files;
pub mod orders;
pub mod outbox;
mod probes;
pub mod publisher;
pub mod sales;
pub mod sold_out;

use clap::Parser;
use fluxgate_service::ops::check_health;
use fluxgate_service::{shutdown, telemetry};

use config::{Cli, Command};

/// The whole program: settings from the environment, until SIGTERM.
///
/// # Errors
/// When the server itself fails, or, for `health`, when it is not ready.
#[tokio::main]
pub async fn main() -> std::io::Result<()> {
    let Cli { command, config } = Cli::parse();
    if command == Some(Command::Health) {
        let address = config.http.address_or(app::DEFAULT_PORT);
        return check_health(config.ops.ops_addr.unwrap_or(address));
    }
    telemetry::init(&config.log);
    let shutdown = shutdown::on_signal(config.shutdown.timeout())?;
    let application = app::Application::build(config);
    application.run_until_stopped(shutdown).await
}
