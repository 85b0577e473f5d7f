use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::exchange::undecided;
use e2e::load::check;
use e2e::load::history::History;
use e2e::load::{Attempt, once};
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::stack::Store;

use crate::fixture::{crowd, expect_right, in_a_sandbox, open_sales, workers};

const ORDERS: u32 = 20_000;
const CONNECTIONS: u32 = 64;
/// In this time everything that was accepted is written, before any buyer retries.
const SOON: Duration = Duration::from_secs(30);
/// Well below `SHUTDOWN_TIMEOUT_SECONDS`, after which a service would be cut off, with code 0 too.
const STOP_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn a_killed_api_loses_no_promise_and_strands_no_unit() {
    in_a_sandbox(async |sandbox| {
        let mut api = sandbox.api().await?;
        let _workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
        let sales = open_sales(&api, 4, 6_000).await?;

        let running = crowd(CONNECTIONS, &[&api]).start(&sales, once(0..4, 0..ORDERS))?;
        running.answered(8_000).await?;
        api.kill()?;
        api.restart().await?;
        let history = running.finish().await?;
        let open = undecided(&history.exchanges).len();
        println!("{open} orders without an answer");
        ensure!(open > 0, "the kill came after the last order");
        expect_right_and_retry(sandbox, &api, history).await
    });
}

/// Everything is written, and then buyers without an answer ask again with the same key: every buyer ends with exactly
/// one order.
async fn expect_right_and_retry(
    sandbox: &Sandbox,
    api: &Process,
    mut history: History,
) -> Result<()> {
    // Before any buyer retries: a retry would publish what was left in the outbox.
    check::expect_right(&history, &sandbox.stores, SOON).await?;
    let open = undecided(&history.exchanges).into_iter();
    let retries = open.map(|request| Attempt {
        request,
        instance: 0,
    });
    let sales = history.sales.clone();
    history.extend(crowd(CONNECTIONS, &[api]).play(&sales, retries).await?)?;
    let open = undecided(&history.exchanges);
    ensure!(open.is_empty(), "at the second try: {open:?}");
    let found = expect_right(sandbox, &history).await?;
    let rows = found.counted("PostgreSQL: rows");
    ensure!(rows == i64::from(ORDERS), "{rows} rows");
    Ok(())
}

/// The relay lease is a key, and a full Redis takes no new key.
#[test]
fn outbox_entries_of_a_killed_api_are_published_while_redis_is_full() {
    in_a_sandbox(async |sandbox| {
        let (mut api, _other) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let _worker = sandbox.worker().await?;
        let sales = open_sales(&api, 1, 1_000).await?;
        sandbox.stack.freeze(Store::Kafka)?;
        let player = crowd(CONNECTIONS, &[&api]);
        let history = player.play(&sales, once(0..1, 0..500)).await?;
        ensure!(
            undecided(&history.exchanges).is_empty(),
            "not all were answered"
        );
        api.kill()?;

        let redis = &sandbox.stores.redis;
        redis.configure("maxmemory", "1").await?;
        let published = async {
            sandbox.stack.bring_back(Store::Kafka).await?;
            expect_right(sandbox, &history).await
        };
        let published = published.await;
        redis.configure("maxmemory", "0").await?;
        published.map(drop)
    });
}

#[test]
fn services_that_are_told_to_stop_under_load_lose_nothing() {
    in_a_sandbox(async |sandbox| {
        let mut api = sandbox.api().await?;
        let [mut leaver, _stayer] = workers(sandbox).await?;
        let sales = open_sales(&api, 24, 1_000).await?;

        let player = crowd(CONNECTIONS, &[&api]).at(4_000);
        let running = player.start(&sales, once(0..24, 0..ORDERS))?;
        running.answered(5_000).await?;
        leaver.stop(STOP_LIMIT).await?;
        running.answered(10_000).await?;
        api.stop(STOP_LIMIT).await?;
        api.restart().await?;
        let history = running.finish().await?;
        expect_right_and_retry(sandbox, &api, history).await
    });
}
