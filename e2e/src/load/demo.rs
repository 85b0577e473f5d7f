//! The demonstration: a small stock, many buyers, and a table of results that is checked against the stores.

use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Parser;

use super::report::play_and_report;
use super::{Player, racing};
use crate::deployment::Deployment;
use crate::order::Sale;
use crate::sandbox::Sandbox;
use crate::stack::Stack;
use crate::table::thousands;

/// The longest time that the workers may take to write all orders.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// The longest time that a service may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Sells out a flash sale through one API and two workers and shows that every figure is right.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo")]
pub struct Plan {
    /// Units for sale
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub units: u32,

    /// Buyers, each with one order that is sent two or three times
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub buyers: u32,

    /// Connections to each URL over which the buyers send their orders
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub connections: u32,

    /// Order from running services at these URLs instead of starting any; ADMIN_TOKEN, REDIS_URL, KAFKA_BROKERS and
    /// DATABASE_URL must have the same values as for the services
    #[arg(long, env = "API_URL", value_delimiter = ',', value_name = "URL")]
    pub at: Vec<String>,
}

/// Runs the demo and prints the table; returns the last line if every figure is right.
///
/// # Errors
/// When a figure is wrong, a service or store fails, or a signal stopped the demo.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    println!(
        "Fluxgate sells {} units to {} buyers. Each buyer has one order and sends it two or three\n\
         times with the same idempotency key, all of them over {} connections.\n",
        thousands(plan.units),
        thousands(plan.buyers),
        plan.connections,
    );
    if plan.at.is_empty() {
        let stack = Stack::from_env().map_err(|error| anyhow!("{error}: run `make demo`"))?;
        Sandbox::within(&stack, async |it| start_and_sell_out(plan, it).await).await
    } else {
        let deployment = Deployment::from_env(&plan.at).await?;
        sell_out(plan, &deployment).await
    }
}

async fn start_and_sell_out(plan: &Plan, sandbox: &Sandbox) -> Result<String> {
    println!("starting one ingest-api and two inventory-workers");
    let (api, first, second) = tokio::try_join!(sandbox.api(), sandbox.worker(), sandbox.worker())?;
    println!("all three are ready, the API at {}", api.url());
    let line = sell_out(plan, &sandbox.deployment(&[&api])).await?;
    for mut service in [api, first, second] {
        service.stop(STOP_LIMIT).await?;
    }
    Ok(line)
}

async fn sell_out(plan: &Plan, deployment: &Deployment) -> Result<String> {
    let sales = [Sale::unique("demo", plan.units)?];
    println!("opening the sale {}", sales[0].product);
    let player = Player::crowd(plan.connections, deployment.urls.clone());
    let attempts = racing(0, plan.buyers, |buyer| buyer % 2 == 0);
    play_and_report(&player, deployment, &sales, attempts, WRITE_LIMIT).await
}
