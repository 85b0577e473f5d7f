//! `inventory-worker`: writes orders to PostgreSQL. See the library's documentation for their way.

use clap::Parser;
use fluxgate_core::settings::refuse;
use fluxgate_core::{shutdown, telemetry};
use inventory_worker::app::Worker;
use inventory_worker::config::{Cli, Command};
use inventory_worker::migrate::migrate;
use inventory_worker::store::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Cli { command, config } = Cli::parse();
    telemetry::init(&config.log);
    match command.unwrap_or(Command::Run) {
        Command::Migrate => {
            let store = Store::connect(&config.database)
                .unwrap_or_else(|error| refuse("DATABASE_URL", error));
            migrate(&config, &store).await?;
        }
        Command::Run => {
            let shutdown = shutdown::on_signal(config.shutdown.timeout())?;
            Worker::build(config).run_until_stopped(shutdown).await?;
        }
    }
    Ok(())
}
