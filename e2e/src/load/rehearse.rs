//! A sale at a constant rate against running services, with buyers who retry as real clients do.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use super::report::play_and_report;
use super::{Player, once};
use crate::deployment::Deployment;
use crate::order::Sale;
use crate::table::thousands;

/// Maximum orders of one rehearsal. Each takes about a hundred bytes of memory.
const ORDERS_MAX: u64 = 10_000_000;

/// Runs a sale against running services and checks every answer. ADMIN_TOKEN, REDIS_URL, KAFKA_BROKERS, DATABASE_URL
/// (and KAFKA_TOPIC, KAFKA_GROUP, if they are not the defaults) must have the same values as for the services.
#[derive(Debug, Clone, Parser)]
#[command(name = "rehearse")]
pub struct Plan {
    /// URLs of the API, separated by commas; each try of an order goes to the next one
    #[arg(
        long,
        env = "API_URL",
        value_delimiter = ',',
        value_name = "URL",
        required = true
    )]
    pub at: Vec<String>,

    /// Orders per second
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub rate: u32,

    /// Duration in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// Units of each sale [default: enough for all orders]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub units: Option<u32>,

    /// Number of sales; orders go to them in turn
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub products: u16,

    /// Maximum concurrent requests
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub connections: u32,

    /// Maximum time, after the last answer, until the workers have written everything
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub write_seconds: u64,
}

/// Runs the rehearsal and prints the table; returns the last line if nothing is wrong.
///
/// # Errors
/// When something is wrong, a service or store fails, or a signal stopped the rehearsal.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    let deployment = Deployment::from_env(&plan.at).await?;
    let count = u64::from(plan.rate) * u64::from(plan.seconds);
    ensure!(
        count <= ORDERS_MAX,
        "{} orders are more than {}, the most that fit into memory",
        thousands(count),
        thousands(ORDERS_MAX)
    );
    let share = u32::try_from(count.div_ceil(plan.products.into()))?;
    let units = plan.units.unwrap_or(share);
    let sales: Vec<_> = (0..plan.products)
        .map(|_| Sale::unique("rehearsal", units))
        .collect::<Result<_>>()?;
    println!(
        "{} orders a second for {} s at {}: {} sales of {} units, {} connections.\n",
        thousands(plan.rate),
        plan.seconds,
        plan.at.join(", "),
        plan.products,
        thousands(units),
        plan.connections,
    );
    let player = Player {
        connections: plan.connections,
        ..Player::constant_rate(plan.rate, plan.at.clone())
    };
    let attempts = once(0..plan.products, 0..u32::try_from(count)?);
    let limit = Duration::from_secs(plan.write_seconds);
    play_and_report(&player, &deployment, &sales, attempts, limit).await
}
