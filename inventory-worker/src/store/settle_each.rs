use std::collections::{HashMap, HashSet};

use deadpool_postgres::{Object, Transaction};
use fluxgate_service::crash_points::crash_point;
use uuid::Uuid;

use super::rows::{OrderColumns, Rows};
use super::settle::{
    Count, Known, KnownOrder, NewChange, NewOrder, Outcome, Room, Settlement, Step, settle,
};
use super::transaction::{REJECTED_NAMED_MAX, Written, bury, open_sales, take_positions};
use super::{WriteError, sql};
use crate::batch::{Batch, Content};

/// The rare case: something does not fit, or the batch holds more than orders and openings. What is
/// there is read and locked, every step is taken in offset order, and what came of it is written.
pub(super) async fn settle_each(
    client: &mut Object,
    topic: &str,
    batch: &Batch,
    rows: &Rows<'_>,
) -> Result<Written, WriteError> {
    let transaction = client.transaction().await?;
    take_positions(&transaction, topic, batch).await?;
    let opened = open_sales(&transaction, rows).await?;
    let mut rooms = rooms(&transaction, rows, &opened).await?;
    let mut known = known(&transaction, rows).await?;

    let done = settle(&rows.steps, &mut known, &mut rooms);
    insert_orders(&transaction, &done.orders).await?;
    cancel_orders(&transaction, &done.cancelled).await?;
    insert_changes(&transaction, &done.changes).await?;
    count(&transaction, &done.counts).await?;
    let dead = dead_letters(batch, rows, &done);
    bury(&transaction, topic, &dead).await?;
    crash_point("before_commit");
    transaction.commit().await?;
    crash_point("after_commit");

    let of = |wanted| {
        let outcomes = done.orders.iter().map(|row| row.outcome);
        outcomes.filter(|outcome| *outcome == wanted).count() as u64
    };
    let settled = done.orders.iter();
    let placed_at = settled
        .clone()
        .filter(|row| row.outcome == Outcome::Confirmed)
        .map(|row| row.order.placed_at);
    let rejected = settled.filter(|row| matches!(row.outcome, Outcome::Rejected(_)));
    let rejected = rejected.map(|row| row.order.order_id);
    Ok(Written {
        confirmed: of(Outcome::Confirmed),
        placed_at: placed_at.collect(),
        oversold: of(Outcome::Rejected("oversold")),
        unknown_sale: of(Outcome::Rejected("unknown_sale")),
        fenced: of(Outcome::Rejected("fenced")),
        cancelled: of(Outcome::Cancelled) + done.cancelled.len() as u64,
        changes: done.changes.len() as u64,
        duplicates: done.duplicates,
        dead_letters: dead.offsets.len() as u64,
        rejected: rejected.take(REJECTED_NAMED_MAX).collect(),
    })
}

fn product_of<'a>(step: &Step<'a>) -> &'a str {
    match step {
        Step::Order(order) => order.product_id.as_str(),
        Step::Cancel(cancel) => cancel.order.product_id.as_str(),
        Step::Restock(restock) => restock.product_id.as_str(),
        Step::Close(close) => close.product_id.as_str(),
        Step::Fence(fence) => fence.product_id.as_str(),
    }
}

/// The ledger rows of all steps, locked in one order by everybody.
async fn rooms(
    transaction: &Transaction<'_>,
    rows: &Rows<'_>,
    opened: &HashSet<String>,
) -> Result<HashMap<String, Room>, WriteError> {
    let products: HashSet<&str> = rows
        .steps
        .iter()
        .map(|(_, step)| product_of(step))
        .collect();
    let products: Vec<&str> = products.into_iter().collect();
    let mut rooms = HashMap::new();
    for row in transaction.query(sql::LOCK_LEDGER, &[&products]).await? {
        let product: String = row.try_get(0)?;
        let opening = rows
            .openings
            .iter()
            .find(|(_, sale)| sale.product_id.as_str() == product && opened.contains(&product));
        let room = Room {
            total: row.try_get(1)?,
            sold: row.try_get(2)?,
            fenced: epoch(row.try_get(3)?),
            opened_at_offset: opening.map(|(offset, _)| *offset),
        };
        rooms.insert(product, room);
    }
    Ok(rooms)
}

async fn known(transaction: &Transaction<'_>, rows: &Rows<'_>) -> Result<Known, WriteError> {
    let ids: Vec<Uuid> = rows
        .steps
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Order(order) => Some(order.order_id.as_uuid()),
            Step::Cancel(cancel) => Some(cancel.order.order_id.as_uuid()),
            Step::Restock(_) | Step::Close(_) | Step::Fence(_) => None,
        })
        .collect();
    let mut known = Known::default();
    for row in transaction.query(sql::KNOWN_ORDERS, &[&ids]).await? {
        let status = match row.try_get::<_, &str>(1)? {
            "confirmed" => KnownOrder::Confirmed,
            "cancelled" => KnownOrder::Cancelled,
            _ => KnownOrder::Rejected {
                epoch: epoch(row.try_get(2)?),
            },
        };
        known.orders.insert(row.try_get(0)?, status);
    }
    let products: Vec<&str> = rows
        .steps
        .iter()
        .filter(|(_, step)| matches!(step, Step::Restock(_) | Step::Close(_)))
        .map(|(_, step)| product_of(step))
        .collect();
    if !products.is_empty() {
        for row in transaction.query(sql::KNOWN_CHANGES, &[&products]).await? {
            known.changes.insert((row.try_get(0)?, row.try_get(1)?));
        }
    }
    Ok(known)
}

/// Epochs count rebuilds from 1 on.
fn epoch(column: i32) -> u32 {
    u32::try_from(column).unwrap_or_default()
}

async fn insert_orders(
    transaction: &Transaction<'_>,
    orders: &[NewOrder<'_>],
) -> Result<(), WriteError> {
    if orders.is_empty() {
        return Ok(());
    }
    let o = OrderColumns::of(orders.iter().map(|row| row.order));
    let statuses: Vec<_> = orders.iter().map(|row| row.outcome.status()).collect();
    let reasons: Vec<_> = orders.iter().map(|row| row.outcome.reason()).collect();
    let cancels: Vec<_> = orders.iter().map(|row| row.cancel_number).collect();
    transaction
        .execute(
            sql::INSERT_SETTLED,
            &[
                &o.ids,
                &o.products,
                &o.users,
                &o.quantities,
                &o.epochs,
                &o.sequences,
                &o.placed_at,
                &statuses,
                &reasons,
                &cancels,
            ],
        )
        .await?;
    Ok(())
}

async fn cancel_orders(
    transaction: &Transaction<'_>,
    cancelled: &[(Uuid, i64)],
) -> Result<(), WriteError> {
    if cancelled.is_empty() {
        return Ok(());
    }
    let (ids, numbers): (Vec<Uuid>, Vec<i64>) = cancelled.iter().copied().unzip();
    transaction
        .execute(sql::CANCEL_ORDERS, &[&ids, &numbers])
        .await?;
    Ok(())
}

async fn insert_changes(
    transaction: &Transaction<'_>,
    changes: &[NewChange<'_>],
) -> Result<(), WriteError> {
    if changes.is_empty() {
        return Ok(());
    }
    let products: Vec<_> = changes.iter().map(|change| change.product).collect();
    let ids: Vec<_> = changes.iter().map(|change| change.id.as_str()).collect();
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    let units: Vec<_> = changes.iter().map(|change| change.units).collect();
    // Epochs count rebuilds; none comes near the border.
    let epochs: Vec<_> = changes
        .iter()
        .map(|change| i32::try_from(change.epoch).unwrap_or(i32::MAX))
        .collect();
    let sequences: Vec<_> = changes.iter().map(|c| i64::from(c.sequence)).collect();
    let times: Vec<_> = changes.iter().map(|change| change.at).collect();
    transaction
        .execute(
            sql::INSERT_CHANGES,
            &[&products, &ids, &kinds, &units, &epochs, &sequences, &times],
        )
        .await?;
    Ok(())
}

async fn count(
    transaction: &Transaction<'_>,
    counts: &HashMap<String, Count>,
) -> Result<(), WriteError> {
    let products: Vec<&str> = counts.keys().map(String::as_str).collect();
    let units: Vec<i64> = counts.values().map(|count| count.units).collect();
    let added: Vec<i64> = counts.values().map(|count| count.added).collect();
    let orders: Vec<i64> = counts.values().map(|count| count.orders).collect();
    let highest: Vec<i64> = counts.values().map(|count| count.highest).collect();
    let closed: Vec<_> = counts.values().map(|count| count.closed_at).collect();
    let fenced: Vec<_> = counts
        .values()
        .map(|count| i32::try_from(count.fenced).unwrap_or(i32::MAX))
        .collect();
    transaction
        .execute(
            sql::COUNT_SETTLED,
            &[
                &products, &units, &added, &orders, &highest, &closed, &fenced,
            ],
        )
        .await?;
    Ok(())
}

/// The batch's own dead letters, and the changes that are not made.
fn dead_letters<'a>(
    batch: &'a Batch,
    rows: &Rows<'a>,
    done: &Settlement<'_>,
) -> super::rows::DeadRows<'a> {
    let mut dead = rows.dead.clone();
    for (partition, record) in batch.records() {
        if let Content::Event(event) = &record.content
            && let Some(refused) = done.refused.iter().find(|refused| {
                // Offsets are counted by partition, and a product stays on one.
                (refused.offset, refused.product) == (record.offset, event.product_id().as_str())
            })
        {
            dead.push(partition, record, refused.reason);
        }
    }
    dead
}
