//! `ingest-api`: takes orders over HTTP. See the library's documentation for the way of an order.

use clap::Parser;
use fluxgate_core::{shutdown, telemetry};
use ingest_api::app::Application;
use ingest_api::config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let config = Config::parse();
    telemetry::init(&config.log);
    let shutdown = shutdown::on_signal(config.shutdown.timeout())?;
    Application::build(config).run_until_stopped(shutdown).await
}
