//! A sale at a constant rate, at services that run, with buyers who send an order again when it failed as real
//! clients do; and every answer held against what the stores hold in the end.
//!
//! | module | holds |
//! |---|---|
//! | [`traffic`], [`desk`], [`attempt`] | orders when they are due, over so many connections; who sends which next; what an answer means to its buyer |
//! | [`heard`] | everything that was answered, small: there may be millions |
//! | [`check`] | it, held against the stores |
//! | [`report`] | both, as a table and a last line |

pub mod attempt;
pub mod check;
mod desk;
pub mod heard;
pub mod report;
pub mod traffic;

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use tokio::time::{Instant, sleep};

use crate::deployment::Deployment;
use crate::order::Sale;
use crate::signals::signalled;
use crate::thousands::thousands;
use report::Report;
use traffic::{Onlooker, Traffic};

/// Orders of one rehearsal, each of which is remembered.
const ORDERS_MAX: u64 = 10_000_000;
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Plays a sale against services that run and checks every answer. ADMIN_TOKEN, REDIS_URL, KAFKA_BROKERS, DATABASE_URL
/// (and KAFKA_TOPIC, KAFKA_GROUP, where they are not the defaults) are theirs.
#[derive(Debug, Clone, Parser)]
#[command(name = "rehearse")]
pub struct Plan {
    /// Where the API answers; each try of an order goes to the next
    #[arg(
        long,
        env = "API_URL",
        value_delimiter = ',',
        value_name = "URL",
        required = true
    )]
    pub at: Vec<String>,

    /// Orders a second
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub rate: u32,

    /// For so long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// Units of each sale; enough for all orders unless given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub units: Option<u32>,

    /// Sales, ordered from in turn
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub products: u32,

    /// Requests under way at once, at most
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub connections: u32,

    /// Times an order is sent before its buyer gives up
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..))]
    pub tries: u8,

    /// How long a buyer waits for an answer, in milliseconds
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub patience_ms: u64,

    /// How long the workers may take to write what is left, after the last answer
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub write_seconds: u64,
}

/// What happened, in one line, when nothing is wrong. The table is printed before.
///
/// # Errors
/// When something is wrong, something does not work, or a signal stopped it.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    let deployment = Deployment::from_env(&plan.at).await?;
    let traffic = plan.traffic();
    ensure!(
        traffic.count <= ORDERS_MAX,
        "{} orders are more than the {} that are remembered",
        thousands(traffic.count),
        thousands(ORDERS_MAX)
    );
    let share = u32::try_from(traffic.count.div_ceil(u64::from(plan.products)))?;
    let units = plan.units.unwrap_or(share);
    let sales: Result<Vec<_>> = (0..plan.products)
        .map(|_| Sale::unique("rehearsal", units))
        .collect();
    let sales = sales?;
    println!(
        "{} orders a second for {} s at {}: {} sales of {} units, {} connections.\n",
        thousands(plan.rate.into()),
        plan.seconds,
        plan.at.join(", "),
        plan.products,
        thousands(units.into()),
        plan.connections,
    );
    let outcome = tokio::select! {
        report = play(plan, &traffic, &deployment, &sales) => report,
        signal = signalled() => Err(anyhow!("stopped by {}", signal?)),
    };
    let closed = deployment.close(&sales).await;
    let report = outcome?;
    println!("\n{report}\n");
    let line = report.conclude()?;
    closed?;
    Ok(line)
}

async fn play(
    plan: &Plan,
    traffic: &Traffic,
    deployment: &Deployment,
    sales: &[Sale],
) -> Result<Report> {
    let admin = deployment.admin()?;
    for sale in sales {
        admin.open(sale).await?;
    }
    let running = traffic.start(deployment, sales)?;
    let onlooker = running.onlooker();
    let heard = tokio::select! {
        never = tell(onlooker) => never,
        heard = running.finish() => heard?,
    };
    println!("the last answer is there");
    let limit = Duration::from_secs(plan.write_seconds);
    let findings = check::check(&heard, &deployment.stores, sales, limit).await?;
    Ok(Report::of(&heard, findings))
}

async fn tell<T>(onlooker: Onlooker) -> T {
    let begin = Instant::now();
    loop {
        sleep(BETWEEN_LINES).await;
        let seconds = begin.elapsed().as_secs_f64();
        println!("{seconds:6.1} s  {}", onlooker.progress());
    }
}

impl Plan {
    fn traffic(&self) -> Traffic {
        Traffic {
            per_second: self.rate,
            count: u64::from(self.rate) * u64::from(self.seconds),
            connections: self.connections,
            tries: self.tries,
            patience: Duration::from_millis(self.patience_ms),
        }
    }
}
