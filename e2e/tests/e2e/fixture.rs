use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::load::Player;
use e2e::order::Sale;
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::stack::Stack;
use e2e::wait::wait_until;
use tokio::runtime::Runtime;

/// Longest that a test may take.
const TEST_LIMIT: Duration = Duration::from_secs(170);

/// Longest that it may take to write what a crowd has ordered, on a slow machine.
pub const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// One test at a time: some stop a store that all use, and all of them measure what two services
/// make of the whole machine.
pub static TURN: Mutex<()> = Mutex::new(());

/// Runs a test in a sandbox of its own. When it fails, the ends of all logs are shown.
pub fn in_a_sandbox(test: impl AsyncFnOnce(&Sandbox) -> Result<()>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = stack();
    two_threads().block_on(async {
        let sandbox = Sandbox::new(stack).await.expect("the stores answer");
        let outcome = tokio::time::timeout(TEST_LIMIT, test(&sandbox)).await;
        let outcome = outcome.context("the test takes too long");
        if let Err(error) = outcome.flatten() {
            panic!("{error:#}");
        }
        sandbox.discard().await.expect("the stores answer");
    });
}

/// The stores of this test run.
pub fn stack() -> Stack {
    Stack::from_env().unwrap_or_else(|error| panic!("{error}: run `make test`"))
}

/// What a test runs on.
pub fn two_threads() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built")
}

/// A crowd with so many connections to these instances of the API.
pub fn crowd(connections: u32, instances: &[&Process]) -> Player {
    let urls = instances.iter().map(|api| api.url().to_owned()).collect();
    Player::crowd(connections, urls)
}

/// Opens `count` sales of `total` units each. A sale is on one partition, so it takes many to give
/// several workers something to do.
pub async fn open_sales(api: &Process, count: usize, total: u32) -> Result<Vec<Sale>> {
    let client = api.client()?;
    let mut sales = Vec::new();
    for _ in 0..count {
        let sale = Sale::unique("sale", total)?;
        client.open(&sale).await?;
        sales.push(sale);
    }
    Ok(sales)
}

/// Waits until each of these workers has partitions.
pub async fn all_read(workers: &[&Process]) -> Result<()> {
    wait_until("every worker has partitions", WRITE_LIMIT, async || {
        for worker in workers {
            let assigned = worker
                .metric("inventory_worker_partitions_assigned")
                .await?;
            ensure!(assigned > 0.0, "{} has none", worker.url());
        }
        Ok(())
    })
    .await
}

/// Two workers that both have partitions.
pub async fn two_workers(sandbox: &Sandbox) -> Result<(Process, Process)> {
    let workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
    all_read(&[&workers.0, &workers.1]).await?;
    Ok(workers)
}

/// Lets the only worker that runs read the whole topic from its beginning. Not a byte of the tables
/// may change.
pub async fn read_topic_again(
    sandbox: &Sandbox,
    worker: &mut Process,
    sales: &[Sale],
) -> Result<()> {
    const DUPLICATES: &str = r#"inventory_worker_orders_total{outcome="duplicate"}"#;
    let postgres = &sandbox.stores.postgres;
    let before = postgres.dump().await?;
    worker.kill()?;
    postgres.reset_positions().await?;
    worker.restart().await?;
    sandbox.stores.drained(sales, WRITE_LIMIT).await?;
    expect_same_tables(&before, &postgres.dump().await?)?;
    let orders = before
        .lines()
        .filter(|line| line.starts_with("order "))
        .count();
    let duplicates = worker.metric(DUPLICATES).await?;
    ensure!(
        duplicates >= orders as f64,
        "only {duplicates} of {orders} orders were read again"
    );
    Ok(())
}

/// # Errors
/// With the first difference.
pub fn expect_same_tables(before: &str, after: &str) -> Result<()> {
    let mut lines = before.lines().zip(after.lines());
    let difference = lines.find(|(before, after)| before != after);
    let counts = (before.lines().count(), after.lines().count());
    ensure!(
        before == after,
        "(lines before, after) = {counts:?}; first difference: {difference:?}"
    );
    Ok(())
}

#[test]
fn a_difference_between_two_dumps_is_found() {
    assert!(expect_same_tables("a\nb", "a\nb").is_ok());
    let error = expect_same_tables("a\nb", "a\nc").unwrap_err().to_string();
    assert!(error.contains(r#"("b", "c")"#), "{error}");
    assert!(expect_same_tables("a", "a\nb").is_err());
}
