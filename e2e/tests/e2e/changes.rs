use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::answer::Status;
use e2e::client::Client;
use e2e::load::once;
use e2e::order::Sale;
use e2e::sandbox::Sandbox;
use e2e::wait::wait_until;
use fluxgate_domain::ids::OrderId;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::fixture::{WRITE_LIMIT, crowd, in_a_sandbox, open_sales, two_workers};

const TOTAL: u32 = 2_000;
const CANCELS: u32 = 400;
const RESTOCKS: u32 = 3;
const RESTOCKED: u32 = 200;
/// More than all units, those that come back included.
const BUYERS: u32 = 6_000;

#[test]
fn units_come_back_once_whatever_is_killed_meanwhile() {
    in_a_sandbox(async |sandbox| {
        let (mut victim, survivor) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let (mut worker, _other) = two_workers(sandbox).await?;
        let sales = open_sales(&survivor, 1, TOTAL).await?;
        let player = crowd(64, &[&victim, &survivor]);

        let early = player.play(&sales, once(0..1, 0..CANCELS)).await?;
        let to_cancel: HashSet<OrderId> = early.order_ids().collect();
        ensure!(
            to_cancel.len() == CANCELS as usize,
            "{} orders",
            to_cancel.len()
        );

        // The crowd, and with it all changes twice, through both instances, while one of each kind dies.
        let running = player.start(&sales, once(0..1, CANCELS..BUYERS))?;
        let clients = [victim.client()?, survivor.client()?];
        let changes = clients
            .each_ref()
            .map(|it| change_all(it, &sales[0], &to_cancel));
        let kills = async {
            running.answered(u64::from(BUYERS / 4)).await?;
            victim.kill()?;
            worker.kill()?;
            victim.restart().await
        };
        let (changed, killed) = tokio::join!(try_join_all(changes), kills);
        killed?;
        changed?;
        let history = running.finish().await?;

        // What came back after the last of them was refused is for these.
        let late = once(0..1, BUYERS..BUYERS + 2 * CANCELS + 1_000);
        let late = player.play(&sales, late).await?;
        let ids = early
            .order_ids()
            .chain(history.order_ids())
            .chain(late.order_ids());
        expect_all_counted(sandbox, &sales[0], &to_cancel, &ids.collect()).await
    });
}

/// Cancels and restocks, each until it is done. Another task sends all of them, too.
async fn change_all(client: &Client, sale: &Sale, to_cancel: &HashSet<OrderId>) -> Result<()> {
    let to_cancel: Vec<_> = to_cancel.iter().collect();
    for few in to_cancel.chunks(20) {
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
    let limit = Duration::from_secs(60);
    wait_until(path, limit, async || {
        client.expect_change(path, key, body).await
    })
    .await
}

/// Every unit can be located, every accepted order has a row, every sequence number is used once.
async fn expect_all_counted(
    sandbox: &Sandbox,
    sale: &Sale,
    to_cancel: &HashSet<OrderId>,
    accepted: &HashSet<OrderId>,
) -> Result<()> {
    sandbox
        .stores
        .drained(std::slice::from_ref(sale), WRITE_LIMIT)
        .await?;
    let contents = sandbox.stores.contents(sale).await?;
    let both = contents.redis.zip(contents.ledger);
    let (redis, ledger) = both.context("a store does not have the sale")?;
    let total = i64::from(TOTAL + RESTOCKS * RESTOCKED);
    let seen = (ledger.total, redis.total, redis.remaining, ledger.sold);
    ensure!(seen == (total, total, 0, total), "{seen:?}");
    ensure!(
        contents.confirmed_units() == total,
        "not every unit is sold"
    );

    let statuses: HashMap<OrderId, Status> = contents
        .rows
        .iter()
        .map(|row| (row.id, row.status))
        .collect();
    for id in accepted {
        let is_cancelled = to_cancel.contains(id);
        let expected = if is_cancelled {
            Status::Cancelled
        } else {
            Status::Confirmed
        };
        let status = statuses.get(id);
        ensure!(status == Some(&expected), "order {id}: {status:?}");
    }
    let cancelled = statuses
        .values()
        .filter(|it| **it == Status::Cancelled)
        .count();
    ensure!(
        cancelled == CANCELS as usize,
        "{cancelled} orders are cancelled"
    );

    let mut sequences = contents.change_sequences;
    sequences.extend(contents.rows.iter().map(|row| row.sequence));
    sequences.sort_unstable();
    let expected: Vec<i64> = (1..=redis.sequence).collect();
    ensure!(
        sequences == expected,
        "a sequence number is missing or used twice"
    );
    Ok(())
}
