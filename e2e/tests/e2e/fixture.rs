use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use e2e::answer::Refusal;
use e2e::client::Client;
use e2e::load::Player;
use e2e::load::check::{self, Findings};
use e2e::load::history::History;
use e2e::order::Sale;
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::scale::worker_group::{Leave, WorkerGroup};
use e2e::stack::Stack;
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
            // A failed test leaves the stores to those after it.
            if let Err(error) = sandbox.stack.bring_all_back().await {
                eprintln!("a store is still unavailable: {error:#}");
            }
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

/// So many workers that share the partitions.
pub async fn workers<const N: usize>(sandbox: &Sandbox) -> Result<[Process; N]> {
    let mut group = WorkerGroup::new(sandbox, &[]);
    group.resize(N, Leave::Sigterm).await?;
    group.settled().await?;
    let workers = group.workers.try_into();
    workers.map_err(|it: Vec<_>| anyhow!("{} workers", it.len()))
}

/// Waits until everything is written, and holds the answers against the stores.
pub async fn expect_right(sandbox: &Sandbox, history: &History) -> Result<Findings> {
    check::expect_right(history, &sandbox.stores, WRITE_LIMIT).await
}

/// Runs the reconciler, which must end with this code and print this text.
pub async fn reconcile(sandbox: &Sandbox, arguments: &[&str], code: i32, text: &str) -> Result<()> {
    let (ended_with, printed) = sandbox.reconcile(arguments).await?;
    ensure!(
        ended_with == code && printed.contains(text),
        "{arguments:?} ended with {ended_with} and not {code} and {text:?}:\n{printed}"
    );
    Ok(())
}

/// Rebuilds these sales; the reconciler must print this text.
pub async fn rebuild(sandbox: &Sandbox, sales: &[Sale], text: &str) -> Result<()> {
    let mut arguments = vec!["rebuild"];
    arguments.extend(sales.iter().map(|sale| sale.product.as_str()));
    reconcile(sandbox, &arguments, 0, text).await
}

pub async fn expect_right_audit(sandbox: &Sandbox) -> Result<()> {
    reconcile(sandbox, &["audit"], 0, "right").await
}

/// Orders a unit, which must be refused for this reason.
pub async fn expect_refused(
    client: &Client,
    sale: &Sale,
    buyer: u32,
    refusal: Refusal,
) -> Result<()> {
    let response = client.order(sale, buyer).await;
    let is_right = response.is_refused(refusal);
    ensure!(is_right, "not {refusal:?}: {response:?}");
    Ok(())
}
