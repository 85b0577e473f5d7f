use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::answer::Outcome;
use e2e::client::Client;
use e2e::crowd::Crowd;
use e2e::history::History;
use e2e::order::{Sale, once};
use e2e::outage::{Kind, Outage};
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::stack::Store;
use e2e::until::until;
use e2e::verdict::confirmed_units;
use fluxgate_domain::ids::OrderId;
use serde_json::json;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox, open_sales, orders};

const CONNECTIONS: usize = 16;

#[test]
fn an_audit_is_right_while_the_sale_runs_and_finds_what_is_missing() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let mut worker = sandbox.worker().await?;
        let sales = open_sales(&api, 3, 2_000).await?;
        let crowd = Crowd::over(CONNECTIONS, &[&api]).at(1_000);
        let rush = crowd.send(once(orders(&sales, 0..5_000)))?;
        rush.answered(500).await?;
        for _ in 0..4 {
            expect(sandbox, &["audit"], 0, "right").await?;
        }
        let history = rush.finish().await?;
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await?;
        expect(sandbox, &["audit"], 0, "right").await?;

        let product = sales[0].product.as_str();
        let lost = format!("DELETE FROM orders WHERE product_id = '{product}' AND sequence = 7");
        sandbox.stores.database.execute(&lost).await?;
        expect(sandbox, &["audit"], 1, "1 numbers are neither written").await?;
        let others = [sales[1].product.as_str(), sales[2].product.as_str()];
        expect(sandbox, &["audit", others[0], others[1]], 0, "right").await?;
        expect(sandbox, &["audit", "never-heard-of"], 1, "no store knows").await?;

        worker.kill()?;
        let late = once(orders(&sales, 5_000..5_010));
        Crowd::over(1, &[&api]).send(late)?.finish().await?;
        let hasty = ["audit", others[0], "--reconcile-wait-seconds=1"];
        expect(sandbox, &hasty, 2, "no worker runs").await
    });
}

#[test]
fn a_redis_that_lost_writes_sells_nothing_until_it_is_rebuilt() {
    in_a_sandbox(async |sandbox| {
        let mut first = sandbox.api().await?;
        let _worker = sandbox.worker().await?;
        let sale = open_sales(&first, 1, 300).await?.remove(0);
        let mut history = lose_a_hundred(sandbox, &first, &sale).await?;

        // The copy that saw the numbers stops at once; one that starts later has the ledger's.
        let second = sandbox.api().await?;
        for api in [&first, &second] {
            let refused = api.client()?.order(&sale.order_of(500)).await;
            ensure!(is_unavailable(&refused.outcome), "{refused:?}");
        }
        ensure!(first.metric("ingest_api_redis_lost_writes_total").await? > 0.0);
        expect(sandbox, &["audit"], 1, "Redis has lost writes").await?;

        let product = sale.product.as_str();
        expect(sandbox, &["rebuild", product], 0, "100 units remaining").await?;
        expect(sandbox, &["audit"], 0, "right").await?;
        first.kill()?;
        first.restart().await?;
        let everybody = once(orders(std::slice::from_ref(&sale), 0..400));
        let again = Crowd::over(CONNECTIONS, &[&first, &second]).send(everybody)?;
        let again = again.finish().await?;
        ensure!(again.count(Outcome::is_sold_out) == 100, "not 300 sold");
        expect_same_orders(&history, &again)?;
        history.extend(again);
        sandbox
            .stores
            .drained(std::slice::from_ref(&sale), WRITE_LIMIT)
            .await?;
        expect_sold(sandbox, &sale, 300, 0).await?;
        expect(sandbox, &["audit"], 0, "right").await
    });
}

#[test]
fn with_continue_a_sale_goes_on_behind_the_wall() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api_with(&[("ON_REDIS_LOSS", "continue")]).await?;
        let _worker = sandbox.worker().await?;
        let sale = open_sales(&api, 1, 300).await?.remove(0);
        lose_a_hundred(sandbox, &api, &sale).await?;

        // Redis believes that it has 200 units, and sells them; the ledger has 100.
        let later = once(orders(std::slice::from_ref(&sale), 200..450));
        let later = Crowd::over(CONNECTIONS, &[&api]).send(later)?;
        let later = later.finish().await?;
        ensure!(later.count(Outcome::is_sold_out) == 50, "not 200 sold");
        ensure!(api.metric("ingest_api_redis_loss_continued_total").await? == 1.0);
        sandbox
            .stores
            .drained(std::slice::from_ref(&sale), WRITE_LIMIT)
            .await?;
        expect_sold(sandbox, &sale, 300, 100).await?;
        // What Redis has forgotten and what it has sold twice are as many: the books are even.
        expect(sandbox, &["audit"], 0, "100").await?;

        // Rejected orders stay what they are: their keys are not taken again.
        let product = sale.product.as_str();
        expect(sandbox, &["rebuild", product], 0, "0 units remaining").await?;
        expect(sandbox, &["audit"], 0, "right").await?;
        let again = once(orders(std::slice::from_ref(&sale), 200..450));
        let again = Crowd::over(CONNECTIONS, &[&api]).send(again)?;
        expect_same_orders(&later, &again.finish().await?)?;
        sandbox
            .stores
            .drained(std::slice::from_ref(&sale), WRITE_LIMIT)
            .await?;
        expect_sold(sandbox, &sale, 300, 100).await
    });
}

#[test]
fn a_blank_redis_is_filled_with_all_that_the_sale_was() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _worker = sandbox.worker().await?;
        let client = api.client()?;
        let sales = open_sales(&api, 2, 10).await?;
        let (sale, closed) = (&sales[0], &sales[1]);
        let mut ids = Vec::new();
        for buyer in 0..10 {
            ids.push(order(&client, sale, buyer).await?);
        }
        let (path, units) = (
            format!("/products/{}/restock", sale.product),
            json!({"quantity": 5}),
        );
        done(client.change(&path, "more", &units).await?)?;
        done(
            client
                .change(&format!("/orders/{}/cancel", ids[3]), "-", &json!({}))
                .await?,
        )?;
        order(&client, closed, 0).await?;
        let close = format!("/products/{}/close", closed.product);
        done(client.change(&close, "-", &json!({})).await?)?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let before = sandbox.stores.database.contents().await?;

        sandbox.stores.gate.flush().await?;
        for (sale, code) in [(sale, "unavailable"), (closed, "sale_closed")] {
            let refused = client.order(&sale.order_of(50)).await;
            ensure!(is_refused(&refused.outcome, code), "{refused:?}");
            let opened = client
                .open(sale)
                .await
                .err()
                .context("it was opened anew")?;
            ensure!(
                format!("{opened:#}").contains("rebuild_required"),
                "{opened:#}"
            );
        }
        expect(sandbox, &["audit"], 1, "Redis has lost it").await?;
        let both = ["rebuild", sale.product.as_str(), closed.product.as_str()];
        expect(sandbox, &both, 0, "6 units remaining").await?;
        expect(sandbox, &["audit"], 0, "right").await?;
        let without_fences = |text: &str| -> String {
            let numbered = |line: &str| line.starts_with("ledger ") || line.starts_with("series ");
            let lines = text.lines().filter(|line| !numbered(line));
            lines.collect::<Vec<_>>().join("\n")
        };
        let after = sandbox.stores.database.contents().await?;
        ensure!(
            without_fences(&before) == without_fences(&after),
            "rows changed"
        );

        // The same keys, the same answers.
        for (buyer, id) in ids.iter().enumerate() {
            ensure!(order(&client, sale, buyer).await? == *id, "another order");
        }
        done(client.change(&path, "more", &units).await?)?;
        done(
            client
                .change(&format!("/orders/{}/cancel", ids[3]), "-", &json!({}))
                .await?,
        )?;
        let refused = client.order(&closed.order_of(1)).await;
        ensure!(is_refused(&refused.outcome, "sale_closed"), "{refused:?}");
        for buyer in 10..16 {
            order(&client, sale, buyer).await?;
        }
        let refused = client.order(&sale.order_of(16)).await;
        ensure!(refused.outcome.is_sold_out(), "{refused:?}");
        done(
            client
                .change(&format!("/orders/{}/cancel", ids[4]), "-", &json!({}))
                .await?,
        )?;
        order(&client, sale, 16).await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        expect_sold(sandbox, sale, 15, 0).await?;
        expect(sandbox, &["audit"], 0, "right").await
    });
}

#[test]
fn whoever_slept_through_a_rebuild_cannot_sell_what_it_sells_again() {
    in_a_sandbox(async |sandbox| {
        // It keeps trying to publish for long after it was answered `reserved`.
        let patient = [("KAFKA_MESSAGE_TIMEOUT_MS", "120000")];
        let mut sleeper = sandbox.api_with(&patient).await?;
        let awake = sandbox.api().await?;
        let _worker = sandbox.worker().await?;
        let sale = open_sales(&awake, 1, 2).await?.remove(0);
        order(&awake.client()?, &sale, 0).await?;
        sandbox
            .stores
            .drained(std::slice::from_ref(&sale), WRITE_LIMIT)
            .await?;

        let outage = Outage::begin(&sandbox.stack, Store::Kafka, Kind::Stopped).await?;
        let late = order(&sleeper.client()?, &sale, 1).await?;
        sleeper.pause()?;
        sandbox.stores.gate.flush().await?;
        outage.end().await?;

        let product = sale.product.as_str();
        expect(sandbox, &["rebuild", product], 0, "1 units remaining").await?;
        order(&awake.client()?, &sale, 2).await?;
        sleeper.resume()?;
        until("the late order is rejected", WRITE_LIMIT, async || {
            let rows = sandbox.stores.database.rows(product).await?;
            let row = rows.iter().find(|row| row.id == late);
            ensure!(row.is_some_and(|row| row.status == "rejected"), "{row:?}");
            Ok(())
        })
        .await?;
        expect_sold(sandbox, &sale, 2, 1).await?;
        expect(sandbox, &["audit"], 0, "right").await?;

        // Its buyer may try again, with the same key: there is a unit once one comes back.
        let refused = awake.client()?.order(&sale.order_of(1)).await;
        ensure!(refused.outcome.is_sold_out(), "{refused:?}");
        let rows = sandbox.stores.database.rows(product).await?;
        let held = rows.iter().find(|row| row.user == "buyer-2");
        let cancel = format!("/orders/{}/cancel", held.context("no row")?.id);
        done(awake.client()?.change(&cancel, "-", &json!({})).await?)?;
        ensure!(
            order(&awake.client()?, &sale, 1).await? == late,
            "another order"
        );
        sandbox
            .stores
            .drained(std::slice::from_ref(&sale), WRITE_LIMIT)
            .await?;
        expect_sold(sandbox, &sale, 2, 0).await?;
        expect(sandbox, &["audit"], 0, "right").await
    });
}

/// Sells 100 units, remembers Redis, sells 100 more, and puts Redis back.
async fn lose_a_hundred(sandbox: &Sandbox, api: &Process, sale: &Sale) -> Result<History> {
    let one = std::slice::from_ref(sale);
    let early = Crowd::over(CONNECTIONS, &[api]).send(once(orders(one, 0..100)))?;
    let mut history = early.finish().await?;
    sandbox.stores.drained(one, WRITE_LIMIT).await?;
    let saved = sandbox.stores.gate.save(&sale.product).await?;
    let late = Crowd::over(CONNECTIONS, &[api]).send(once(orders(one, 100..200)))?;
    history.extend(late.finish().await?);
    sandbox.stores.drained(one, WRITE_LIMIT).await?;
    sandbox.stores.gate.roll_back(&saved).await?;
    Ok(history)
}

/// Whoever had an order has the same one still.
fn expect_same_orders(before: &History, after: &History) -> Result<()> {
    let ids = |history: &History| -> HashMap<String, OrderId> {
        let answers = history.answers().iter();
        let ids = answers.filter_map(|a| Some((a.order.user.clone(), a.outcome.order_id()?)));
        ids.collect()
    };
    let after = ids(after);
    for (user, id) in ids(before) {
        ensure!(after.get(&user) == Some(&id), "{user} has another order");
    }
    Ok(())
}

async fn expect_sold(sandbox: &Sandbox, sale: &Sale, units: i64, rejected: usize) -> Result<()> {
    let rows = sandbox.stores.database.rows(sale.product.as_str()).await?;
    let sold = confirmed_units(&rows);
    let refused = rows.iter().filter(|row| row.status == "rejected").count();
    ensure!(
        (sold, refused) == (units, rejected),
        "{sold} units confirmed and {refused} orders rejected, not {units} and {rejected}"
    );
    Ok(())
}

async fn expect(sandbox: &Sandbox, arguments: &[&str], code: i32, words: &str) -> Result<()> {
    let report = sandbox.reconcile(arguments).await?;
    ensure!(
        report.code == code && report.text.contains(words),
        "{arguments:?} ended with {} and not {code} and {words:?}:\n{}",
        report.code,
        report.text
    );
    Ok(())
}

async fn order(client: &Client, sale: &Sale, buyer: usize) -> Result<OrderId> {
    let answer = client.order(&sale.order_of(buyer)).await;
    let id = answer.outcome.order_id();
    id.with_context(|| format!("buyer {buyer}: {:?}", answer.outcome))
}

fn done(answer: (u16, serde_json::Value)) -> Result<()> {
    ensure!(answer.0 == 200, "{answer:?}");
    Ok(())
}

fn is_unavailable(outcome: &Outcome) -> bool {
    is_refused(outcome, "unavailable")
}

fn is_refused(outcome: &Outcome, wanted: &str) -> bool {
    matches!(outcome, Outcome::Refused { code, .. } if code == wanted)
}

/// How long a worker takes, at most, to look again at a log that it has halted.
const HALTED_RECHECK: Duration = Duration::from_secs(15);

#[test]
fn what_kafka_has_lost_is_published_again() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let mut worker = sandbox.worker().await?;
        let sale = open_sales(&api, 1, 300).await?.remove(0);
        let one = std::slice::from_ref(&sale);
        let early = Crowd::over(CONNECTIONS, &[&api]).send(once(orders(one, 0..100)))?;
        early.finish().await?;
        sandbox.stores.drained(one, WRITE_LIMIT).await?;
        worker.kill()?;
        let late = Crowd::over(CONNECTIONS, &[&api]).send(once(orders(one, 100..200)))?;
        late.finish().await?;
        // One that PostgreSQL has never heard of.
        let unread = open_sales(&api, 1, 10).await?.remove(0);
        order(&api.client()?, &unread, 0).await?;
        sandbox.lose_the_log().await?;
        worker.restart().await?;

        expect(sandbox, &["republish"], 2, "--accept-shorter-log").await?;
        let accept = ["republish", "--accept-shorter-log"];
        expect(sandbox, &accept, 0, "102 events published").await?;
        let both = [sale.clone(), unread.clone()];
        sandbox
            .stores
            .written(&both, WRITE_LIMIT + HALTED_RECHECK)
            .await?;
        expect_sold(sandbox, &sale, 200, 0).await?;
        expect_sold(sandbox, &unread, 1, 0).await?;
        expect(sandbox, &["audit"], 0, "right").await
    });
}
