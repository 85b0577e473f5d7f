use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::history::History;
use e2e::order::{Sale, once};
use e2e::outage::{Kind, Outage};
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::stack::Store;

use crate::fixture::{WRITE_LIMIT, all_work, in_a_sandbox, open_sales, orders};
use crate::replays::read_again;

const ORDERS: usize = 20_000;
const CONNECTIONS: usize = 64;

#[test]
fn a_killed_api_loses_no_promise_and_strands_no_unit() {
    in_a_sandbox(async |sandbox| {
        let mut api = sandbox.api().await?;
        let _workers = (sandbox.worker().await?, sandbox.worker().await?);
        let sales = open_sales(&api, 4, 6_000).await?;

        let rush = Crowd::over(CONNECTIONS, &[&api]).send(once(orders(&sales, 0..ORDERS)))?;
        rush.answered(ORDERS * 2 / 5).await?;
        api.kill()?;
        api.restart().await?;
        let history = rush.finish().await?;
        println!("{} orders without an answer", history.undecided().len());
        ensure!(
            !history.undecided().is_empty(),
            "the kill came after the last order"
        );

        // Before anybody tries again: a retry would publish what was left behind.
        sandbox
            .stores
            .expect_right(&sales, &history, Duration::from_secs(30))
            .await?;
        retry_the_undecided(sandbox, &api, &sales, history).await
    });
}

/// Whoever sweeps has a lease, which is a key, and a full Redis takes none.
#[test]
fn what_a_killed_api_leaves_is_published_while_redis_is_full() {
    in_a_sandbox(async |sandbox| {
        let (mut api, _other) = (sandbox.api().await?, sandbox.api().await?);
        let _worker = sandbox.worker().await?;
        let sales = open_sales(&api, 1, 1_000).await?;
        let outage = Outage::begin(&sandbox.stack, Store::Kafka, Kind::Paused).await?;
        let history = Crowd::over(CONNECTIONS, &[&api])
            .send(once(orders(&sales, 0..500)))?
            .finish()
            .await?;
        ensure!(history.undecided().is_empty(), "not all were answered");
        api.kill()?;

        let gate = &sandbox.stores.gate;
        gate.configure("maxmemory", "1").await?;
        let published = async {
            outage.end().await?;
            let stores = &sandbox.stores;
            stores.expect_right(&sales, &history, WRITE_LIMIT).await
        };
        let published = published.await;
        gate.configure("maxmemory", "0").await?;
        published
    });
}

/// Whoever got no answer asks again with the same key: everybody ends with exactly one order.
pub async fn retry_the_undecided(
    sandbox: &Sandbox,
    api: &Process,
    sales: &[Sale],
    mut history: History,
) -> Result<()> {
    let again = Crowd::over(CONNECTIONS, &[api]).send(once(history.undecided()))?;
    history.extend(again.finish().await?);
    let undecided = history.undecided().len();
    ensure!(
        undecided == 0,
        "{undecided} buyers without an answer even at the second time"
    );
    sandbox
        .stores
        .expect_right(sales, &history, WRITE_LIMIT)
        .await?;

    let mut rows = 0;
    for sale in sales {
        rows += sandbox.stores.truth(sale).await?.rows.len();
    }
    ensure!(rows == ORDERS, "{rows} orders of {ORDERS} buyers");
    Ok(())
}

#[test]
fn a_killed_worker_loses_nothing_and_doubles_nothing() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let (mut victim, mut survivor) = (sandbox.worker().await?, sandbox.worker().await?);
        all_work(&[&victim, &survivor]).await?;
        let sales = open_sales(&api, 24, 1_000).await?;

        let rush = Crowd::over(CONNECTIONS, &[&api]).send(once(orders(&sales, 0..ORDERS)))?;
        rush.answered(ORDERS * 2 / 5).await?;
        victim.kill()?;
        let history = rush.finish().await?;
        // Nobody but a worker was hurt.
        let accepted = history.count(|outcome| outcome.order_id().is_some());
        ensure!(accepted == ORDERS, "{accepted} of {ORDERS} orders accepted");
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await?;

        read_again(sandbox, &mut survivor, &sales).await?;
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await
    });
}

#[test]
fn a_worker_that_freezes_and_wakes_up_doubles_nothing() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let (mut frozen, survivor) = (sandbox.worker().await?, sandbox.worker().await?);
        all_work(&[&frozen, &survivor]).await?;
        let sales = open_sales(&api, 24, 1_000).await?;

        let rush = Crowd::over(CONNECTIONS, &[&api]).send(once(orders(&sales, 0..ORDERS)))?;
        rush.answered(ORDERS * 2 / 5).await?;
        frozen.pause()?;
        let mut history = rush.finish().await?;
        // The survivor takes over what the frozen one still believes to own.
        sandbox.stores.written(&sales, WRITE_LIMIT).await?;
        frozen.resume()?;
        all_work(&[&frozen, &survivor]).await?;

        let later = once(orders(&sales, ORDERS..ORDERS + 2_000));
        let later = Crowd::over(CONNECTIONS, &[&api]).send(later)?;
        history.extend(later.finish().await?);
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await
    });
}
