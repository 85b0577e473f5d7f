use std::collections::HashMap;
use std::slice::from_ref;

use anyhow::{Context, Result, ensure};
use e2e::answer::{Refusal, Status};
use e2e::client::Client;
use e2e::load::history::History;
use e2e::load::once;
use e2e::order::{Action, Sale};
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::stack::Store;
use e2e::wait::wait_until;
use fluxgate_domain::ids::OrderId;

use crate::fixture::{
    WRITE_LIMIT, crowd, expect_refused, expect_right, expect_right_audit, in_a_sandbox, open_sales,
    rebuild, reconcile,
};

const CONNECTIONS: u32 = 16;

#[test]
fn an_audit_is_right_while_the_sale_runs_and_finds_what_is_missing() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sales = open_sales(&api, 3, 2_000).await?;
        let player = crowd(CONNECTIONS, &[&api]).at(1_000);
        let running = player.start(&sales, once(0..3, 0..5_000))?;
        running.answered(500).await?;
        for _ in 0..4 {
            expect_right_audit(sandbox).await?;
        }
        let history = running.finish().await?;
        expect_right(sandbox, &history).await?;
        expect_right_audit(sandbox).await?;

        let [first, second, third] = [0, 1, 2].map(|it| sales[it].product.as_str());
        let lost = format!("DELETE FROM orders WHERE product_id = '{first}' AND sequence = 7");
        sandbox.stores.postgres.execute(&lost).await?;
        reconcile(sandbox, &["audit"], 1, "1 numbers are neither written").await?;
        reconcile(sandbox, &["audit", second, third], 0, "right").await?;
        reconcile(sandbox, &["audit", "never-heard-of"], 1, "no store knows").await?;

        worker.kill()?;
        let late = once(0..3, 5_000..5_010);
        crowd(1, &[&api]).play(&sales, late).await?;
        let hasty = ["audit", second, "--reconcile-wait-seconds=1"];
        reconcile(sandbox, &hasty, 2, "no worker runs").await
    });
}

#[test]
fn a_redis_that_lost_writes_sells_nothing_until_it_is_rebuilt() {
    in_a_sandbox(async |sandbox| {
        let (mut first, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sale = open_sales(&first, 1, 300).await?.remove(0);
        let history = lose_a_hundred(sandbox, &first, &sale).await?;

        // The instance that saw the numbers stops at once; one that starts later has the ledger's.
        let second = sandbox.api().await?;
        for api in [&first, &second] {
            expect_refused(&api.client()?, &sale, 500, Refusal::Unavailable).await?;
        }
        ensure!(first.metric("ingest_api_redis_lost_writes_total").await? > 0.0);
        reconcile(sandbox, &["audit"], 1, "Redis has lost writes").await?;

        rebuild(sandbox, from_ref(&sale), "100 units remaining").await?;
        expect_right_audit(sandbox).await?;
        first.kill()?;
        first.restart().await?;
        let player = crowd(CONNECTIONS, &[&first, &second]);
        let again = player.play(from_ref(&sale), once(0..1, 0..400)).await?;
        let sold_out = again.count(|it| it.is_refused(Refusal::SoldOut));
        ensure!(sold_out == 100, "not 300 sold");
        expect_same_orders(&history, &again)?;
        expect_sold(sandbox, &sale, 300, 0).await
    });
}

#[test]
fn a_rebuild_that_another_one_has_taken_the_lock_of_stops() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sale = open_sales(&api, 1, 10).await?.remove(0);
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        worker.kill()?;
        // The rebuild waits until this order is written.
        order(&api.client()?, &sale, 0).await?;
        let arguments = [
            "rebuild",
            sale.product.as_str(),
            "--reconcile-wait-seconds=600",
        ];
        let rebuilding = reconcile(sandbox, &arguments, 2, "the lock of the rebuild was lost");
        let taking = wait_until("the rebuild holds its lock", WRITE_LIMIT, async || {
            let take = "DO $$ BEGIN UPDATE rebuild_locks SET token = gen_random_uuid();
                IF NOT FOUND THEN RAISE 'no lock'; END IF; END $$";
            sandbox.stores.postgres.execute(take).await
        });
        tokio::try_join!(rebuilding, taking)?;
        worker.restart().await?;
        rebuild(sandbox, from_ref(&sale), "9 units remaining").await?;
        expect_right_audit(sandbox).await
    });
}

#[test]
fn with_continue_a_sale_goes_on_behind_the_backstop() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api_with(&[("ON_REDIS_LOSS", "continue")]).await?;
        let _worker = sandbox.worker().await?;
        let sale = open_sales(&api, 1, 300).await?.remove(0);
        lose_a_hundred(sandbox, &api, &sale).await?;

        // Redis believes that it has 200 units, and sells them; the ledger has 100.
        let later = play(&api, &sale, 200..450).await?;
        let sold_out = later.count(|it| it.is_refused(Refusal::SoldOut));
        ensure!(sold_out == 50, "not 200 sold");
        ensure!(api.metric("ingest_api_redis_loss_continued_total").await? == 1.0);
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        expect_rows(sandbox, &sale, 300, 100).await?;
        // As many orders are missing from Redis as it has sold twice: the sums agree.
        reconcile(sandbox, &["audit"], 0, "100").await?;

        // Rejected orders stay rejected: their keys are not taken again.
        rebuild(sandbox, from_ref(&sale), "0 units remaining").await?;
        expect_right_audit(sandbox).await?;
        expect_same_orders(&later, &play(&api, &sale, 200..450).await?)?;
        expect_sold(sandbox, &sale, 300, 100).await
    });
}

#[test]
fn an_empty_redis_is_filled_with_the_whole_sale() {
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let client = api.client()?;
        let sales = open_sales(&api, 2, 10).await?;
        let (sale, closed) = (&sales[0], &sales[1]);
        let mut ids = Vec::new();
        for buyer in 0..10 {
            ids.push(order(&client, sale, buyer).await?);
        }
        let (number, units) = (0, 5);
        let more = Action::Restock { number, units };
        client.expect_done(sale, more).await?;
        client.expect_done(sale, Action::Cancel(ids[3])).await?;
        order(&client, closed, 0).await?;
        client.expect_done(closed, Action::Close).await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let before = rows_and_changes(sandbox).await?;

        sandbox.stores.redis.flush().await?;
        expect_refused(&client, sale, 50, Refusal::Unavailable).await?;
        // As soon as PostgreSQL is known to have all of the sale.
        wait_until("the sale is known to be over", WRITE_LIMIT, async || {
            expect_refused(&client, closed, 50, Refusal::SaleClosed).await
        })
        .await?;
        let opened = client.open(sale).await;
        let refusal = format!("{:#}", opened.err().context("it was opened anew")?);
        ensure!(refusal.contains("rebuild_required"), "{refusal}");
        client.open(closed).await?;
        reconcile(sandbox, &["audit"], 1, "Redis has lost it").await?;
        let over = ["rebuild", closed.product.as_str()];
        reconcile(sandbox, &over, 1, "the sale is over").await?;
        rebuild(sandbox, from_ref(sale), "6 units remaining").await?;
        expect_right_audit(sandbox).await?;
        ensure!(rows_and_changes(sandbox).await? == before, "rows changed");

        // The same keys, the same answers.
        for (buyer, id) in (0..).zip(&ids) {
            ensure!(order(&client, sale, buyer).await? == *id, "another order");
        }
        client.expect_done(sale, more).await?;
        client.expect_done(sale, Action::Cancel(ids[3])).await?;
        expect_refused(&client, closed, 1, Refusal::SaleClosed).await?;
        for buyer in 10..16 {
            order(&client, sale, buyer).await?;
        }
        expect_refused(&client, sale, 16, Refusal::SoldOut).await?;
        client.expect_done(sale, Action::Cancel(ids[4])).await?;
        order(&client, sale, 16).await?;
        expect_sold(sandbox, sale, 15, 0).await
    });
}

#[test]
fn an_instance_that_slept_through_a_rebuild_cannot_sell_a_unit_again() {
    in_a_sandbox(async |sandbox| {
        // It keeps trying to publish for long after it was answered `reserved`.
        let patient = [("KAFKA_MESSAGE_TIMEOUT_MS", "120000")];
        let mut frozen = sandbox.api_with(&patient).await?;
        let (awake, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let client = awake.client()?;
        let sale = open_sales(&awake, 1, 2).await?.remove(0);
        order(&client, &sale, 0).await?;
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;

        sandbox.stack.shut_down(Store::Kafka).await?;
        let late = order(&frozen.client()?, &sale, 1).await?;
        frozen.pause()?;
        sandbox.stores.redis.flush().await?;
        sandbox.stack.bring_back(Store::Kafka).await?;

        rebuild(sandbox, from_ref(&sale), "1 units remaining").await?;
        let held = order(&client, &sale, 2).await?;
        frozen.resume()?;
        wait_until("the late order is rejected", WRITE_LIMIT, async || {
            let rows = sandbox.stores.contents(&sale).await?.rows;
            let row = rows.iter().find(|row| row.id == late);
            let status = row.map(|row| row.status);
            ensure!(status == Some(Status::Rejected), "{row:?}");
            Ok(())
        })
        .await?;
        expect_sold(sandbox, &sale, 2, 1).await?;

        // Its buyer may try again with the same key once a unit comes back.
        expect_refused(&client, &sale, 1, Refusal::SoldOut).await?;
        client.expect_done(&sale, Action::Cancel(held)).await?;
        ensure!(order(&client, &sale, 1).await? == late, "another order");
        expect_sold(sandbox, &sale, 2, 0).await
    });
}

/// One order of each of these buyers.
pub async fn play(api: &Process, sale: &Sale, buyers: std::ops::Range<u32>) -> Result<History> {
    let player = crowd(CONNECTIONS, &[api]);
    player.play(from_ref(sale), once(0..1, buyers)).await
}

/// Sells 100 units, saves Redis, sells 100 more, and puts Redis back.
async fn lose_a_hundred(sandbox: &Sandbox, api: &Process, sale: &Sale) -> Result<History> {
    let stores = &sandbox.stores;
    let mut history = play(api, sale, 0..100).await?;
    stores.drained(from_ref(sale), WRITE_LIMIT).await?;
    let saved = stores.redis.save(&sale.product).await?;
    history.extend(play(api, sale, 100..200).await?)?;
    stores.drained(from_ref(sale), WRITE_LIMIT).await?;
    stores.redis.roll_back(&saved).await?;
    Ok(history)
}

/// Each buyer who had an order has the same one still.
fn expect_same_orders(before: &History, after: &History) -> Result<()> {
    let ids = |history: &History| -> HashMap<u32, OrderId> {
        let orders = history.orders();
        let placed = orders.filter_map(|it| Some((it.buyer()?, it.order_id()?)));
        placed.collect()
    };
    let (before, after) = (ids(before), ids(after));
    let mut orders = before.iter();
    let changed = orders.find(|(buyer, id)| after.get(buyer) != Some(id));
    ensure!(changed.is_none(), "another order: {changed:?}");
    Ok(())
}

/// The tables without what a fence changes: the ledger row and the number series.
async fn rows_and_changes(sandbox: &Sandbox) -> Result<Vec<String>> {
    let dump = sandbox.stores.postgres.dump().await?;
    let is_fenced = |it: &&str| it.starts_with("ledger ") || it.starts_with("series ");
    let others = dump.lines().filter(|it| !is_fenced(it));
    Ok(others.map(str::to_owned).collect())
}

/// Once everything is written; and an audit finds nothing wrong.
pub async fn expect_sold(
    sandbox: &Sandbox,
    sale: &Sale,
    units: i64,
    rejected: usize,
) -> Result<()> {
    sandbox.stores.drained(from_ref(sale), WRITE_LIMIT).await?;
    expect_rows(sandbox, sale, units, rejected).await?;
    expect_right_audit(sandbox).await
}

pub async fn expect_rows(
    sandbox: &Sandbox,
    sale: &Sale,
    units: i64,
    rejected: usize,
) -> Result<()> {
    let contents = sandbox.stores.contents(sale).await?;
    let rows = contents.rows.iter();
    let are_rejected = rows.filter(|row| row.status == Status::Rejected).count();
    let seen = (contents.sold_units(), are_rejected);
    let right = seen == (units, rejected);
    ensure!(right, "(units confirmed, orders rejected) = {seen:?}");
    Ok(())
}

pub async fn order(client: &Client, sale: &Sale, buyer: u32) -> Result<OrderId> {
    let response = client.order(sale, buyer).await;
    let id = response.order().map(|it| it.id);
    id.with_context(|| format!("buyer {buyer}: {response:?}"))
}
