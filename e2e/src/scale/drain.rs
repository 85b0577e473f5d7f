//! Measures how fast different numbers of workers write a backlog.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::row_times::{self, speed_of_second_half};
use super::worker_group::{Leave, WorkerGroup};
use super::{Plan, STOP_LIMIT, under_load};
use crate::load::check::expect_right;
use crate::load::history::History;
use crate::load::player::Running;
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};

const WORKERS: [usize; 4] = [1, 2, 4, 12];
/// How often each number of workers drains the backlog.
const ROUNDS: usize = 3;
/// Orders in the backlog; half of them must be more than the workers hold in memory, which may be 15,000 per
/// partition.
const BACKLOG: u32 = 360_000;
/// The slowest drain that is waited for, in orders a second after a start.
const SLOWEST_PER_SECOND: u64 = 2_000;
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at the positions. PostgreSQL is busy.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Orders a second of each round, by the number of workers.
type Speeds = BTreeMap<usize, Vec<f64>>;

/// Puts orders on the topic once, lets each number of workers write them into empty tables, and returns their speeds
/// as a table.
///
/// # Errors
/// When a service fails, or what is written is not what was ordered.
pub async fn run(sandbox: &Sandbox, plan: &Plan) -> Result<String> {
    let history = fill(sandbox, plan).await?;
    let mut speeds = Speeds::new();
    // All counts before the next round: the machine's speed changes by the minute.
    for _ in 0..ROUNDS {
        for count in WORKERS {
            let speed = drain(sandbox, count, &history).await?;
            speeds.entry(count).or_default().push(speed);
        }
    }
    let (orders, table) = (thousands(history.sent.orders), table(&speeds));
    Ok(format!(
        "A backlog of {orders} orders on 12 partitions, its second half:\n\n{table}\n"
    ))
}

/// Puts orders on the topic. A worker writes them, once: all other workers do so again.
async fn fill(sandbox: &Sandbox, plan: &Plan) -> Result<History> {
    let mut worker = sandbox.worker().await?;
    row_times::record(&sandbox.stores.postgres).await?;
    let mut api = sandbox.api().await?;
    let deployment = sandbox.deployment(&[&api]);
    let time = Duration::from_secs((BACKLOG / plan.instances_rate).into());
    let fill = async |load: &Running| load.continues_for(time).await;
    let (history, report) = under_load(&deployment, plan.instances_rate, fill).await?;
    report.expect_right()?;
    api.stop(STOP_LIMIT).await?;
    worker.stop(STOP_LIMIT).await?;
    Ok(history)
}

/// Orders a second of the second half. Workers share out the partitions and read before they may
/// write, and what they hold in memory by then says nothing about reading: each partition's queue has
/// up to three batches, so many workers hold most of the first half.
async fn drain(sandbox: &Sandbox, count: usize, history: &History) -> Result<f64> {
    let stores = &sandbox.stores;
    let (postgres, topic) = (&stores.postgres, &stores.topic);
    let limit = START_LIMIT + Duration::from_secs(history.sent.orders / SLOWEST_PER_SECOND);
    postgres.truncate().await?;
    let lock = postgres.lock_orders().await?;
    // They wait for the lock and do not give up.
    let patient = [("FLUSH_TIMEOUT_MS", "300000"), ("MIGRATE_ON_START", "off")];
    let mut group = WorkerGroup::new(sandbox, &patient);
    group.resize(count, Leave::Sigterm).await?;
    group.settled().await?;

    let (ends, begin) = (topic.ends().await?, Instant::now());
    drop(lock);
    while postgres.positions(topic.name()).await? != ends {
        ensure!(begin.elapsed() < limit, "not drained within {limit:?}");
        sleep(BETWEEN_LOOKS).await;
    }
    expect_right(history, stores, limit).await?;
    group.resize(0, Leave::Sigterm).await?;
    speed_of_second_half(postgres).await
}

fn table(speeds: &Speeds) -> String {
    let one = speeds.values().next().map_or(1.0, |rounds| median(rounds));
    let row = |(workers, rounds): (&usize, &Vec<f64>)| {
        let each: Vec<_> = rounds.iter().map(|it| thousands(*it as i64)).collect();
        let median = median(rounds);
        [
            workers.to_string(),
            thousands(median as i64),
            format!("{:.2}", median / one),
            each.join("; "),
        ]
    };
    let header = ["workers", "orders/s, median", "x one", "each round"];
    markdown(header, &speeds.iter().map(row).collect::<Vec<_>>())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
