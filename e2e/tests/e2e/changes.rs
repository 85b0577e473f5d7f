use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::crowd::Crowd;
use e2e::order::{Sale, once};
use e2e::sandbox::Sandbox;
use e2e::until::until;
use e2e::verdict::confirmed_units;
use fluxgate_domain::ids::OrderId;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::fixture::{WRITE_LIMIT, all_work, in_a_sandbox, open_sales, orders};

const CONNECTIONS: usize = 64;
const TOTAL: u32 = 2_000;
const CANCELS: usize = 400;
const RESTOCKS: u32 = 3;
const RESTOCKED: u32 = 200;
/// More than all units, those that come back included.
const BUYERS: usize = 6_000;

#[test]
fn units_come_back_once_whatever_is_killed_meanwhile() {
    in_a_sandbox(async |sandbox| {
        let (mut victim, survivor) = (sandbox.api().await?, sandbox.api().await?);
        let (mut worker, other) = (sandbox.worker().await?, sandbox.worker().await?);
        all_work(&[&worker, &other]).await?;
        let sale = open_sales(&survivor, 1, TOTAL).await?.remove(0);
        let sales = [sale.clone()];

        let early = once(orders(&sales, 0..CANCELS));
        let early = Crowd::over(CONNECTIONS, &[&victim, &survivor]).send(early)?;
        let early = early.finish().await?;
        let regretted: Vec<OrderId> = early
            .answers()
            .iter()
            .filter_map(|answer| answer.outcome.order_id())
            .collect();
        ensure!(regretted.len() == CANCELS, "{} orders", regretted.len());

        // The crowd, and with it everything twice, on both copies, while one of each kind dies.
        let rush = once(orders(&sales, CANCELS..BUYERS));
        let rush = Crowd::over(CONNECTIONS, &[&victim, &survivor]).send(rush)?;
        let (one, two) = (victim.client()?, survivor.client()?);
        let changes = async {
            let (a, b) = tokio::join!(
                change_all(&one, &sale, &regretted),
                change_all(&two, &sale, &regretted),
            );
            a.and(b)
        };
        let kills = async {
            rush.answered(BUYERS / 4).await?;
            victim.kill()?;
            worker.kill()?;
            victim.restart().await
        };
        let (changed, killed) = tokio::join!(changes, kills);
        killed?;
        changed?;
        let mut history = rush.finish().await?;

        // What came back after the last of them was refused is for these.
        let late = once(orders(&sales, BUYERS..BUYERS + 2 * CANCELS + 1_000));
        let late = Crowd::over(CONNECTIONS, &[&victim, &survivor]).send(late)?;
        history.extend(late.finish().await?);
        history.extend(early);

        let promised = history
            .answers()
            .iter()
            .filter_map(|a| a.outcome.order_id());
        let promised: HashSet<OrderId> = promised.collect();
        expect_all_counted(sandbox, &sale, &regretted, &promised).await
    });
}

/// Cancels and restocks, each until it is done. All of them are sent by another task, too.
async fn change_all(client: &Client, sale: &Sale, regretted: &[OrderId]) -> Result<()> {
    for few in regretted.chunks(20) {
        let cancels = few.iter().map(async |id| {
            let path = format!("/orders/{id}/cancel");
            let order = until_done(client, &path, "unused", &json!({})).await?;
            ensure!(order["status"] == "cancelled", "{order}");
            Ok(())
        });
        try_join_all(cancels).await?;
    }
    for n in 0..RESTOCKS {
        let path = format!("/products/{}/restock", sale.product);
        let units = json!({"quantity": RESTOCKED});
        until_done(client, &path, &format!("restock-{n}"), &units).await?;
    }
    Ok(())
}

async fn until_done(client: &Client, path: &str, key: &str, body: &Value) -> Result<Value> {
    let mut done = Value::Null;
    until(path, Duration::from_secs(60), async || {
        let (status, answer) = client.change(path, key, body).await?;
        ensure!(status == 200, "{status} {answer}");
        done = answer;
        Ok(())
    })
    .await?;
    Ok(done)
}

/// Every unit is somewhere, every promise is a row, every number stands for one thing.
async fn expect_all_counted(
    sandbox: &Sandbox,
    sale: &Sale,
    regretted: &[OrderId],
    promised: &HashSet<OrderId>,
) -> Result<()> {
    sandbox
        .stores
        .drained(std::slice::from_ref(sale), WRITE_LIMIT)
        .await?;
    let truth = sandbox.stores.truth(sale).await?;
    let both = truth.shelf.zip(truth.ledger);
    let (shelf, ledger) = both.context("a store does not know the sale")?;
    let total = i64::from(TOTAL + RESTOCKS * RESTOCKED);
    let seen = (ledger.total, shelf.total, shelf.remaining, ledger.sold);
    ensure!(seen == (total, total, 0, total), "{seen:?}");
    ensure!(
        confirmed_units(&truth.rows) == total,
        "not every unit is sold"
    );

    let statuses: HashMap<OrderId, &str> = truth
        .rows
        .iter()
        .map(|row| (row.id, row.status.as_str()))
        .collect();
    for id in promised {
        let expected = if regretted.contains(id) {
            "cancelled"
        } else {
            "confirmed"
        };
        let status = statuses.get(id);
        ensure!(status == Some(&expected), "order {id}: {status:?}");
    }
    let cancelled = statuses.values().filter(|status| **status == "cancelled");
    ensure!(cancelled.count() == CANCELS, "somebody else was cancelled");

    let numbers = sandbox
        .stores
        .database
        .numbers(sale.product.as_str())
        .await?;
    let expected: Vec<i64> = (1..=shelf.sequence).collect();
    ensure!(numbers == expected, "a number is missing or stands twice");
    Ok(())
}
