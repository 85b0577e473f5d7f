use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::order::{Order, Sale};
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::stack::Stack;
use e2e::until::until;
use tokio::runtime::Runtime;

/// Longest a test may take.
const TEST_LIMIT: Duration = Duration::from_secs(170);

/// Longest it may take to write what a crowd has ordered, on a slow machine.
pub const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// One test at a time: some take a store away from everybody, and all of them measure what two
/// services make of the whole machine.
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

/// Opens `count` sales of `total` units each. A sale lives on one partition, so it takes many to
/// give several workers something to do.
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

/// One order of each buyer, the sales in turn.
pub fn orders(sales: &[Sale], buyers: Range<usize>) -> impl Iterator<Item = Order> + use<> {
    let sales = sales.to_vec();
    let order = move |buyer: usize| sales[buyer % sales.len()].order_of(buyer);
    buyers.map(order)
}

/// Waits until each of these workers has partitions.
pub async fn all_work(workers: &[&Process]) -> Result<()> {
    until("every worker has partitions", WRITE_LIMIT, async || {
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
