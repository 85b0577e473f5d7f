//! The reconciler on sales whose orders have to be paid.

use anyhow::{Context, Result, ensure};
use e2e::sandbox::Sandbox;
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_gate::Change;

use crate::fixture::{expect_right_audit, in_a_sandbox, reconcile};
use crate::held_sale::{Held, HeldSale, TOTAL};

fn is_noted<T>(change: &Change<T>) -> bool {
    matches!(change, Change::Noted { .. })
}

#[test]
fn a_rebuilt_sale_has_its_holds_its_marks_and_what_its_users_left_unpaid() {
    in_a_sandbox(async |sandbox| {
        let _worker = sandbox.worker().await?;
        let sale = HeldSale::open(sandbox).await?;
        let mut orders = Vec::new();
        for user in 0..7 {
            orders.push(sale.order(user).await?);
        }
        let [expired, late, paid, buyer, refunded, held, last] = orders[..] else {
            unreachable!("seven orders");
        };
        sale.publish().await?;
        ensure!(sale.expire(expired).await? == 1);
        for order in [paid, refunded] {
            ensure!(is_noted(&sale.complete(order).await?));
        }
        ensure!(is_noted(&sale.cancel(buyer, CancelledBy::Buyer).await?));
        ensure!(is_noted(&sale.cancel(refunded, CancelledBy::Shop).await?));
        sale.publish().await?;
        // These wait in the outbox.
        ensure!(sale.expire(late).await? == 1);
        ensure!(is_noted(&sale.complete(last).await?));
        expect_right_audit(sandbox).await?;

        damage(sandbox, &sale, held).await?;
        sale.rebuild(sandbox, 0, "2 events drained, 0 damaged records, 7 orders")
            .await?;
        let report = "1 units are held, 2 completed; 2 orders have expired";
        reconcile(sandbox, &["audit"], 0, report).await?;
        let then = sale.snapshot().await?;
        ensure!((then.holds, then.completed) == (1, 2), "{then:?}");
        ensure!(then.remaining == i64::from(TOTAL) - 3, "{then:?}");
        for (user, unpaid) in [
            (0, Some(1)),
            (1, Some(1)),
            (2, None),
            (3, Some(1)),
            (4, None),
        ] {
            let found = sale.unpaid(sandbox, user).await?;
            ensure!(found == unpaid, "user-{user}: {found:?}");
        }
        // What became of an order stays so; the others are paid, cancelled and expire as before.
        for order in [expired, late] {
            ensure!(sale.complete(order).await? == Change::Expired);
        }
        ensure!(sale.complete(refunded).await? == Change::Cancelled);
        ensure!(is_noted(&sale.complete(paid).await?));
        ensure!(is_noted(&sale.cancel(last, CancelledBy::Shop).await?));
        ensure!(sale.expire(held).await? == 1);
        sale.publish().await?;
        let then = sale.snapshot().await?;
        ensure!((then.holds, then.completed) == (0, 1), "{then:?}");
        ensure!(then.remaining == i64::from(TOTAL) - 1, "{then:?}");
        expect_right_audit(sandbox).await
    });
}

/// Redis counts one unit too much as completed, and has forgotten a hold: the audit says so.
async fn damage(sandbox: &Sandbox, sale: &HeldSale, held: Held) -> Result<()> {
    let redis = &sandbox.stores.redis;
    let hash = sale.keys.sale.as_str_lossy();
    let count = async |by: &str| -> Result<i64> {
        redis.command(&["HINCRBY", &hash, "completed", by]).await
    };
    ensure!(count("1").await? == 3);
    let counted = "Redis counts 3 units completed, the orders add up to 2";
    reconcile(sandbox, &["audit"], 1, counted).await?;
    ensure!(count("-1").await? == 2);
    expect_right_audit(sandbox).await?;
    let holds = sale.keys.holds.as_ref().context("a sale with holds")?;
    let (holds, id) = (holds.as_str_lossy(), held.id.to_string());
    let removed: i64 = redis.command(&["ZREM", &holds, &id]).await?;
    ensure!(removed == 1);
    let named = format!("neither in the outbox nor among the holds: {id};");
    reconcile(sandbox, &["audit"], 1, &named).await
}

#[test]
fn a_closed_sale_is_over_when_its_last_order_is_paid() {
    in_a_sandbox(async |sandbox| {
        let _worker = sandbox.worker().await?;
        let sale = HeldSale::open(sandbox).await?;
        let order = sale.order(0).await?;
        let gate = &sale.stores.gate;
        ensure!(is_noted(&gate.close_sale(sale.context()).await?));
        sale.publish().await?;
        expect_right_audit(sandbox).await?;

        let (redis, product) = (&sandbox.stores.redis, sale.product.as_str());
        redis.flush().await?;
        let lost = "Redis has lost it while 1 units wait for their payment";
        reconcile(sandbox, &["audit"], 1, lost).await?;
        sale.rebuild(sandbox, 0, "1 orders restored").await?;
        ensure!(sale.snapshot().await?.holds == 1);
        ensure!(is_noted(&sale.complete(order).await?));
        sale.publish().await?;
        expect_right_audit(sandbox).await?;

        redis.flush().await?;
        reconcile(sandbox, &["audit", product], 0, "right").await?;
        sale.rebuild(sandbox, 1, "the sale is over").await
    });
}

#[test]
fn completions_and_expiries_that_kafka_has_lost_are_published_again() {
    in_a_sandbox(async |sandbox| {
        let _worker = sandbox.worker().await?;
        let sale = HeldSale::open(sandbox).await?;
        let (expired, paid) = (sale.order(0).await?, sale.order(1).await?);
        sale.publish().await?;
        ensure!(sale.expire(expired).await? == 1);
        ensure!(is_noted(&sale.complete(paid).await?));
        sale.lose().await?;
        reconcile(sandbox, &["audit"], 1, "2 numbers are neither written").await?;
        // Their orders would be written as they are in PostgreSQL.
        sale.rebuild(
            sandbox,
            1,
            "2 orders and changes that are not in PostgreSQL",
        )
        .await?;
        reconcile(sandbox, &["republish"], 0, "2 events published").await?;
        sale.rebuild(sandbox, 0, "2 orders restored").await?;
        let report = "0 units are held, 1 completed; 1 orders have expired";
        reconcile(sandbox, &["audit"], 0, report).await
    });
}
