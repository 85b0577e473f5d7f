//! The demonstration: a small stock, a large crowd, and a table that is checked against the stores.

mod figures;
mod story;
mod table;

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use tokio::time::Instant;

use crate::crowd::Crowd;
use crate::deployment::Deployment;
use crate::history::History;
use crate::order::{Sale, racing};
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::signals::signalled;
use crate::stack::Stack;
use story::Story;
use table::Table;

/// Longest the worker may take for what the crowd has ordered.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// Longest a service may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Sells out a flash sale through one API and two workers and shows that every number is right.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo")]
pub struct Plan {
    /// Units for sale
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub units: u32,

    /// Buyers, each with one order that is sent two or three times
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub buyers: u32,

    /// Connections over which they race, to each URL
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub connections: u32,

    /// Start nothing and order at these services, which run already; ADMIN_TOKEN, REDIS_URL, KAFKA_BROKERS and
    /// DATABASE_URL are theirs
    #[arg(long, env = "API_URL", value_delimiter = ',', value_name = "URL")]
    pub at: Vec<String>,
}

/// What happened, in one line, when every number is right.
///
/// # Errors
/// When a number is wrong, something does not work, or a signal stopped it.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    if plan.at.is_empty() {
        with_services_of_its_own(plan).await
    } else {
        at_services_that_run(plan).await
    }
}

async fn at_services_that_run(plan: &Plan) -> Result<String> {
    let deployment = Deployment::from_env(&plan.at).await?;
    let mut story = Story::begin(plan);
    let sale = Sale::unique("demo", plan.units)?;
    let outcome = tokio::select! {
        outcome = sell_out(plan, &deployment, &sale, &mut story) => outcome,
        signal = signalled() => Err(anyhow!("stopped by {}", signal?)),
    };
    let closed = deployment.close(&[sale]).await;
    let line = outcome?.print_and_conclude(plan)?;
    closed?;
    Ok(line)
}

async fn with_services_of_its_own(plan: &Plan) -> Result<String> {
    let stack = Stack::from_env().map_err(|error| anyhow!("{error}: run `make demo`"))?;
    let sandbox = Sandbox::new(stack).await?;
    // Dropping the sale kills its services, whatever they were doing.
    let outcome = tokio::select! {
        outcome = start_and_sell_out(plan, &sandbox) => outcome.inspect_err(|_| sandbox.show_logs()),
        signal = signalled() => Err(anyhow!("stopped by {}", signal?)),
    };
    let discarded = sandbox.discard().await;
    let line = outcome?;
    discarded?;
    Ok(line)
}

async fn start_and_sell_out(plan: &Plan, sandbox: &Sandbox) -> Result<String> {
    let mut story = Story::begin(plan);
    story.tell("starting one ingest-api and two inventory-workers");
    let (api, first, second) = tokio::try_join!(sandbox.api(), sandbox.worker(), sandbox.worker())?;
    story.tell(&format!("all three are ready, the API at {}", api.url()));

    let sale = Sale::unique("demo", plan.units)?;
    let deployment = sandbox.deployment(&[&api]);
    let table = sell_out(plan, &deployment, &sale, &mut story).await?;
    stop(vec![api, first, second]).await?;
    story.tell("the services have stopped in good order");
    table.print_and_conclude(plan)
}

async fn sell_out(
    plan: &Plan,
    deployment: &Deployment,
    sale: &Sale,
    story: &mut Story,
) -> Result<Table> {
    let stores = &deployment.stores;
    let old_dead_letters = stores.database.dead_letter_count().await?;
    deployment.admin()?.open(sale).await?;
    story.tell(&format!("the sale {} is open", sale.product));

    let begin = Instant::now();
    let history = storm(plan, deployment, sale, story).await?;
    let stormed = begin.elapsed();
    let sales = std::slice::from_ref(sale);
    stores.written(sales, WRITE_LIMIT).await?;
    let written = begin.elapsed();
    story.tell("PostgreSQL has everything");
    let ends = stores.drained(sales, WRITE_LIMIT).await?;

    let truth = stores.truth_before(sale, &ends).await?;
    let dead_letters = stores.database.dead_letter_count().await? - old_dead_letters;
    let figures = figures::of(plan, sale, &history, &truth, dead_letters);
    Ok(Table::new(figures, &history, stormed, written))
}

/// All buyers at once. Half of them order two times, half three.
async fn storm(
    plan: &Plan,
    deployment: &Deployment,
    sale: &Sale,
    story: &mut Story,
) -> Result<History> {
    const STEPS: usize = 5;

    let buyers = usize::try_from(plan.buyers)?;
    let attempts: Vec<_> = racing(sale, buyers, |buyer| buyer % 2 == 0).collect();
    let requests = attempts.len();
    let crowd = Crowd::to(usize::try_from(plan.connections)?, deployment.urls.clone());
    let rush = crowd.send(attempts.into_iter())?;
    for step in 1..=STEPS {
        rush.answered(requests * step / STEPS).await?;
        story.progress(requests, &rush.so_far());
    }
    rush.finish().await
}

/// Asks all services to stop and waits for their ends.
async fn stop(services: Vec<Process>) -> Result<()> {
    let ends = services.into_iter().map(|mut service| async move {
        let status = service.terminate(STOP_LIMIT).await?;
        ensure!(
            status.success(),
            "a service ended with {status} instead of 0"
        );
        Ok(())
    });
    futures_util::future::try_join_all(ends).await?;
    Ok(())
}
