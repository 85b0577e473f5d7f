//! `ingest-api` takes the orders of a flash sale over HTTP. The way of an order through this program:
//!
//! ```text
//! http/       reads and validates the request                 POST /orders + Idempotency-Key
//! identity/   verifies the token of the caller, if there is an identity provider
//! limits/     limits the rate of tries per client address and per user, if they are set
//! orders/     places the order: derives its id, reserves units in Redis, publishes, answers
//! events/     streams the views of a sale to clients         GET /products/{id}/events
//! sales/      finds the sale's fixed facts in memory, Redis or the ledger; opens and changes sales
//! queue/      lets people join the queue of a sale, and tells whose turn it is
//! sold_out/   refuses orders from memory while the sale is sold out, closed or not open
//! outbox/     removes entries that Kafka has acknowledged; republishes stale entries
//! pages/      the pages for buyers, if they are on: they call what is in http/
//! ```
//!
//! | top-level module | holds |
//! |---|---|
//! | [`config`] | the settings |
//! | [`app`], `components`, `listeners` | the life of the service, its components, its listeners |
//! | `background` | loops that run beside the requests |
//! | [`metrics`] | the metrics |
//! | `read_batcher` | combines concurrent reads of a store into one call |
//! | `high_water_mark`, `boot_instant` | the highest number seen of a sale; a clock for leases |
//! | [`open_files`] | the limit of open files |
//!
//! Only [`http`] knows status codes. Modules use each other in one direction: `http` -> `orders` -> `queue` -> `sales` -> `sold_out`, and
//! `outbox` -> `sales`; `http` -> `identity`, `limits`, `pages`; `http` -> `events` -> `sales`. Redis, Kafka and PostgreSQL are behind `fluxgate_gate`, `fluxgate_log` and `fluxgate_ledger`.

pub mod app;
mod background;
mod boot_instant;
mod components;
pub mod config;
mod events;
mod high_water_mark;
mod holds;
pub mod http;
pub mod identity;
mod instance_lease;
pub mod limits;
mod listeners;
pub mod metrics;
pub mod open_files;
pub mod orders;
pub mod outbox;
pub mod pages;
mod pauses;
pub mod queue;
mod read_batcher;
pub mod sales;
pub mod sold_out;

use fluxgate_service::ops::check_health;
use fluxgate_service::settings::parse;
use fluxgate_service::{shutdown, telemetry};

use config::{Cli, Command};

/// Runs the program: settings from the environment, until SIGTERM.
///
/// # Errors
/// If a listener or a background task fails or, for `health`, if the instance is not ready.
#[tokio::main]
pub async fn main() -> std::io::Result<()> {
    let (Cli { command, config }, effective) = parse();
    if command == Some(Command::Health) {
        let http = config.http;
        return check_health(http.ops_addr.unwrap_or(http.http_addr));
    }
    telemetry::init(&config.log);
    effective.log();
    let shutdown = shutdown::on_signal(config.shutdown.timeout())?;
    let application = app::Application::build(config, shutdown);
    application.run_until_stopped().await
}
