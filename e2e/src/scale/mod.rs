//! Workers and instances of the API come and go under load, as real processes over real stores.
//!
//! | module | holds |
//! |---|---|
//! | [`workers`], [`worker_group`] | workers come and go, and which partitions each of them has |
//! | [`instances`] | instances of the API come and go, and one is killed |
//! | [`nginx`] | the proxy in front of them |
//! | [`polls`] | a crowd polls a queue behind it |

pub mod instances;
pub mod nginx;
pub mod polls;
pub mod worker_group;
pub mod workers;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::{Parser, ValueEnum};
use fluxgate_domain::partition;

use crate::client::Client;
use crate::deployment::Deployment;
use crate::load::check::check;
use crate::load::player::Running;
use crate::load::report::Report;
use crate::load::{Player, once};
use crate::order::Sale;
use crate::sandbox::Sandbox;
use crate::stack::Stack;
use crate::table::thousands;
use nginx::Repeat;
use worker_group::Leave;

/// The first number of workers, and the following ones.
const WORKERS: [usize; 4] = [1, 4, 12, 2];
/// Of the topic of orders, unless told otherwise.
const PARTITIONS: u16 = 12;
/// More than any run orders.
const UNITS_ENOUGH: u32 = 100_000_000;
/// Longest that writing the rest of a load may take.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// Longest that a service may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How many poll a queue at the same time.
const POLLERS: [u32; 2] = [10, 1_000];

/// A part of the scale runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Workers 1, 4, 12, 2 under load.
    Workers,
    /// Instances of the API 1, 4, 2 under load, one killed.
    Instances,
    /// Polls of a queue through nginx as `docker/nginx.conf` configures it.
    Polls,
}

/// Scales workers and instances of the API under load, kills some, and checks every answer; prints tables in Markdown.
#[derive(Debug, Clone, Parser)]
#[command(name = "scale")]
pub struct Plan {
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["workers", "instances", "polls"])]
    pub only: Vec<Part>,

    /// Group protocols of the workers: KAFKA_GROUP_PROTOCOL
    #[arg(long, value_parser = ["classic", "consumer"], value_delimiter = ',', default_values = ["classic", "consumer"])]
    pub protocols: Vec<String>,

    /// Orders per second while the number of workers changes
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(12..=50_000))]
    pub workers_rate: u32,

    /// Orders per second while the number of API instances changes
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(12..=50_000))]
    pub instances_rate: u32,

    /// Seconds for which each number of workers or instances is kept
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub hold_seconds: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// In Markdown, with the last line of the report.
    pub table: String,
    pub report: Report,
}

/// Runs the plan; returns a line without figures if everything was right.
///
/// # Errors
/// When something was wrong, a part did not finish, or a signal stopped it.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    let stack = Stack::from_env().map_err(|error| anyhow!("{error}: run `make scale`"))?;
    let wrong = run_parts(plan, &stack).await?;
    ensure!(wrong == 0, "{wrong} runs are wrong");
    Ok("every run is right".to_owned())
}

/// How many runs were wrong.
async fn run_parts(plan: &Plan, stack: &Stack) -> Result<u32> {
    let mut wrong = 0;
    let mut show = |outcome: Outcome| {
        println!("{}", outcome.table);
        wrong += u32::from(outcome.report.conclude().is_err());
    };
    let with_workers = plan.only.contains(&Part::Workers);
    for protocol in plan.protocols.iter().filter(|_| with_workers) {
        for leave in [Leave::Sigterm, Leave::Sigkill] {
            let run = async |it: &Sandbox| workers::run(it, plan, protocol, leave, &WORKERS).await;
            show(Sandbox::within(stack, run).await?);
        }
    }
    let with_instances = plan.only.contains(&Part::Instances);
    for repeat in [Repeat::Unsent, Repeat::All]
        .into_iter()
        .filter(|_| with_instances)
    {
        let run = async |it: &Sandbox| instances::run(it, plan, repeat).await;
        show(Sandbox::within(stack, run).await?);
    }
    if plan.only.contains(&Part::Polls) {
        let run = async |it: &Sandbox| polls::run(it, plan, &POLLERS).await;
        println!("{}\n", Sandbox::within(stack, run).await?);
    }
    Ok(wrong)
}

/// Opens one sale on each partition, number 0 first: orders of all sales in turn are orders of all
/// partitions in turn.
async fn open_on_each_partition(admin: &Client, units: u32) -> Result<Vec<Sale>> {
    let mut sales = BTreeMap::new();
    while sales.len() < usize::from(PARTITIONS) {
        let sale = Sale::unique("scale", units)?;
        let partition = partition::of(&sale.product, PARTITIONS.into());
        sales.entry(partition).or_insert(sale);
    }
    for sale in sales.values() {
        admin.open(sale).await?;
    }
    Ok(sales.into_values().collect())
}

/// Lets orders come at a constant rate, of one sale on each partition, while `act` does something; then waits until
/// everything is written, and checks every answer.
async fn under_load(
    deployment: &Deployment,
    per_second: u32,
    act: impl AsyncFnOnce(&Running) -> Result<()>,
) -> Result<Report> {
    let sales = open_on_each_partition(&deployment.admin()?, UNITS_ENOUGH).await?;
    let player = Player::constant_rate(per_second, deployment.urls.clone());
    let load = player.start(&sales, once(0..PARTITIONS, 0..u32::MAX))?;
    act(&load).await?;
    load.stop();
    let history = load.finish().await?;
    let findings = check(&history, &deployment.stores, WRITE_LIMIT).await?;
    Ok(Report { history, findings })
}

impl Plan {
    fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }
}

fn summary(report: &Report) -> String {
    report
        .conclude()
        .unwrap_or_else(|error| format!("FAILED: {error:#}\n{report}"))
}

fn ms(time: Duration) -> String {
    thousands(time.as_millis() as u64)
}
