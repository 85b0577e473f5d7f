use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::checker::{AdminAnswer, AdminCall, AdminOutcome, violations};
use e2e::client::Client;
use e2e::load::once;
use e2e::order::Sale;
use e2e::wait::wait_until;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, RestockId};
use futures_util::future::try_join_all;

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

        let mut history = player.play(&sales, once(0..1, 0..CANCELS)).await?;
        let to_cancel: Vec<OrderId> = history.order_ids().collect();
        ensure!(to_cancel.len() == CANCELS as usize, "{to_cancel:?}");

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
        history.extend(running.finish().await?)?;

        // What came back after the last of them was refused is for these.
        let late = once(0..1, BUYERS..BUYERS + 2 * CANCELS + 1_000);
        history.extend(player.play(&sales, late).await?)?;
        let mut history = history.of_sale(0);
        history.admin_calls = calls(&sales[0], &to_cancel)?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let contents = sandbox.stores.contents(&sales[0]).await?;
        let found = violations(&history, &contents);
        ensure!(found.is_empty(), "{found:#?}");
        let remaining = contents.redis.map(|it| it.remaining);
        ensure!(remaining == Some(0), "{remaining:?} units remain");
        Ok(())
    });
}

/// Cancels and restocks, each until it is done. Another task sends all of them, too.
async fn change_all(client: &Client, sale: &Sale, to_cancel: &[OrderId]) -> Result<()> {
    let limit = Duration::from_secs(60);
    for few in to_cancel.chunks(20) {
        let cancels = few.iter().map(async |id| {
            let cancel = async || client.cancel(*id).await;
            let order = wait_until("an order is cancelled", limit, cancel).await?;
            ensure!(order["status"] == "cancelled", "{order}");
            Ok(())
        });
        try_join_all(cancels).await?;
    }
    for n in 0..RESTOCKS {
        let restock = async || client.restock(sale, &restock_key(n), RESTOCKED).await;
        wait_until("a sale is restocked", limit, restock).await?;
    }
    Ok(())
}

/// All changes, as the checker takes them.
fn calls(sale: &Sale, to_cancel: &[OrderId]) -> Result<Vec<AdminAnswer>> {
    let mut calls: Vec<_> = to_cancel.iter().copied().map(AdminCall::Cancel).collect();
    for n in 0..RESTOCKS {
        let key = IdempotencyKey::parse(&restock_key(n))?;
        calls.push(AdminCall::Restock {
            change_id: RestockId::derive(&sale.product, &key).to_string(),
            units: RESTOCKED.into(),
        });
    }
    let done = |call| AdminAnswer {
        sent_us: 0,
        done_us: u64::MAX,
        call,
        outcome: AdminOutcome::Done,
    };
    Ok(calls.into_iter().map(done).collect())
}

fn restock_key(n: u32) -> String {
    format!("restock-{n}")
}
