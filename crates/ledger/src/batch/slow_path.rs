use std::collections::{HashMap, HashSet};

use deadpool_postgres::{Object, Transaction};
use fluxgate_domain::apply::{
    AppliedBatch, ExistingOrder, ExistingRows, Headroom, LedgerDelta, NewChange, NewOrder, Outcome,
    RejectReason, SeriesDelta, apply,
};
use fluxgate_domain::batch::Batch;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSeries, OrderStatus, SequenceNumber};
use fluxgate_service::crash_points::crash_point;
use uuid::Uuid;

use super::rows::{BatchRows, OrderColumns};
use super::statements::{advance_positions, insert_dead_letters, open_sales};
use super::{REJECTED_NAMED_MAX, WrittenBatch};
use crate::columns::{self, bounds, epoch_column, number_to_bits};
use crate::{LedgerError, sql};

/// Writes any batch: reads and locks the rows that it touches, applies its operations in offset order, writes the
/// result. Nothing is written while records are refused that are not dead letters yet.
pub async fn write(
    client: &mut Object,
    limits: &str,
    topic: &str,
    batch: &Batch,
    rows: &BatchRows<'_>,
) -> Result<WrittenBatch, LedgerError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(limits).await?;
    advance_positions(&transaction, topic, batch).await?;
    let applied = apply_rows(&transaction, rows).await?;
    if !applied.refused.is_empty() {
        return Err(LedgerError::Refused(applied.refused));
    }
    insert_dead_letters(&transaction, topic, &rows.dead_letters).await?;
    crash_point("before_commit");
    transaction.commit().await?;
    crash_point("after_commit");

    let mut written = summary(&applied);
    written.dead_letters = rows.dead_letters.offsets.len() as u64;
    Ok(written)
}

/// Writes rows that no batch has brought: no position moves. What is refused is left out.
pub async fn write_ahead(
    client: &mut Object,
    limits: &str,
    rows: &BatchRows<'_>,
) -> Result<WrittenBatch, LedgerError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(limits).await?;
    let applied = apply_rows(&transaction, rows).await?;
    transaction.commit().await?;
    Ok(summary(&applied))
}

/// Reads and locks the rows that these touch, applies the operations, writes the result.
async fn apply_rows<'a>(
    transaction: &Transaction<'_>,
    rows: &BatchRows<'a>,
) -> Result<AppliedBatch<'a>, LedgerError> {
    let opened = open_sales(transaction, rows).await?;
    let mut headroom = lock_ledger(transaction, rows, &opened).await?;
    let mut existing = existing_rows(transaction, rows).await?;
    let applied = apply(&rows.operations, &mut existing, &mut headroom);
    insert_orders(transaction, &applied.orders).await?;
    cancel_orders(transaction, &applied.cancelled).await?;
    insert_changes(transaction, &applied.changes).await?;
    add_to_ledger(transaction, &applied.ledger).await?;
    add_to_series(transaction, &applied.series).await?;
    Ok(applied)
}

fn summary(applied: &AppliedBatch<'_>) -> WrittenBatch {
    let count = |wanted: Outcome| {
        let outcomes = applied.orders.iter().map(|row| row.outcome);
        outcomes.filter(|outcome| *outcome == wanted).count() as u64
    };
    let rejected = |reason| count(Outcome::Rejected(reason));
    let with = |status| {
        let orders = applied.orders.iter();
        orders.filter(move |row| row.outcome.status() == status)
    };
    let confirmed = with(OrderStatus::Confirmed).map(|row| row.order.placed_at);
    let named = with(OrderStatus::Rejected).map(|row| row.order.order_id);
    WrittenBatch {
        confirmed: count(Outcome::Confirmed),
        placed_at: confirmed.collect(),
        oversold: rejected(RejectReason::Oversold),
        unknown_sale: rejected(RejectReason::UnknownSale),
        fenced: rejected(RejectReason::Fenced),
        cancelled: count(Outcome::Cancelled) + applied.cancelled.len() as u64,
        changes: applied.changes.len() as u64,
        duplicates: applied.duplicates,
        dead_letters: 0,
        rejected: named.take(REJECTED_NAMED_MAX).collect(),
    }
}

/// Locks and reads the ledger rows that the batch touches; every transaction locks them in the same order.
async fn lock_ledger(
    transaction: &Transaction<'_>,
    rows: &BatchRows<'_>,
    opened: &HashSet<String>,
) -> Result<HashMap<ProductId, Headroom>, LedgerError> {
    let products = rows.operations.iter().map(|(_, it)| it.product());
    let products: HashSet<&ProductId> = products.collect();
    let names: Vec<&str> = products.iter().map(|product| product.as_str()).collect();
    let mut headroom = HashMap::new();
    for row in transaction.query(sql::LOCK_LEDGER, &[&names]).await? {
        let product = columns::product_id(row.try_get(0)?)?;
        let mut openings = rows.openings.iter();
        let opening = openings.find(|(_, sale)| sale.product_id == product);
        let sale = Headroom {
            partition: row.try_get(4)?,
            total: row.try_get(1)?,
            sold: row.try_get(2)?,
            fenced_epoch: columns::epoch(row.try_get(3)?)?,
            opened_at_offset: opening
                .filter(|_| opened.contains(product.as_str()))
                .map(|(offset, _)| *offset),
        };
        headroom.insert(product, sale);
    }
    Ok(headroom)
}

async fn existing_rows(
    transaction: &Transaction<'_>,
    rows: &BatchRows<'_>,
) -> Result<ExistingRows, LedgerError> {
    let ids = rows.operations.iter().filter_map(|(_, it)| it.order_id());
    let ids: Vec<Uuid> = ids.map(OrderId::as_uuid).collect();
    let mut existing = ExistingRows::default();
    let [lowest, highest] = bounds(&ids);
    let select = sql::EXISTING_ORDERS;
    let found = transaction
        .query(select, &[&ids, &lowest, &highest])
        .await?;
    for row in found {
        let order = ExistingOrder {
            status: columns::status(row.try_get(1)?)?,
            epoch: columns::epoch(row.try_get(2)?)?,
        };
        let id = columns::order_id(row.try_get(0)?)?;
        existing.orders.insert(id, order);
    }
    let changes = rows.operations.iter().filter(|(_, it)| it.is_change());
    let products: Vec<&str> = changes.map(|(_, it)| it.product().as_str()).collect();
    if !products.is_empty() {
        let select = sql::EXISTING_CHANGES;
        for row in transaction.query(select, &[&products]).await? {
            let product = columns::product_id(row.try_get(0)?)?;
            existing.changes.insert((product, row.try_get(1)?));
        }
    }
    Ok(existing)
}

async fn insert_orders(
    transaction: &Transaction<'_>,
    orders: &[NewOrder<'_>],
) -> Result<(), LedgerError> {
    if orders.is_empty() {
        return Ok(());
    }
    let o = OrderColumns::of(orders.iter().map(|row| row.order));
    let statuses = orders.iter().map(|row| row.outcome.status().as_str());
    let statuses: Vec<_> = statuses.collect();
    let reasons: Vec<_> = orders.iter().map(|row| row.outcome.reason()).collect();
    let cancels = orders
        .iter()
        .map(|row| row.cancel_number.map(number_to_bits));
    let cancels: Vec<_> = cancels.collect();
    transaction
        .execute(
            sql::INSERT_APPLIED_ORDERS,
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
    cancelled: &[(OrderId, SequenceNumber)],
) -> Result<(), LedgerError> {
    if cancelled.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = cancelled.iter().map(|(id, _)| id.as_uuid()).collect();
    let [lowest, highest] = bounds(&ids);
    let numbers: Vec<i64> = cancelled
        .iter()
        .map(|(_, it)| number_to_bits(*it))
        .collect();
    transaction
        .execute(sql::CANCEL_ORDERS, &[&ids, &numbers, &lowest, &highest])
        .await?;
    Ok(())
}

async fn insert_changes(
    transaction: &Transaction<'_>,
    changes: &[NewChange<'_>],
) -> Result<(), LedgerError> {
    if changes.is_empty() {
        return Ok(());
    }
    let products: Vec<_> = changes.iter().map(|it| it.product.as_str()).collect();
    let ids: Vec<_> = changes.iter().map(|it| it.id.as_str()).collect();
    let kinds: Vec<_> = changes.iter().map(|it| it.kind.as_str()).collect();
    let units: Vec<_> = changes.iter().map(|it| it.units).collect();
    let epochs = changes.iter().map(|it| epoch_column(it.number.epoch));
    let epochs: Vec<_> = epochs.collect();
    let sequences = changes.iter().map(|it| i64::from(it.number.sequence));
    let sequences: Vec<_> = sequences.collect();
    let times: Vec<_> = changes.iter().map(|it| it.at).collect();
    transaction
        .execute(
            sql::INSERT_CHANGES,
            &[&products, &ids, &kinds, &units, &epochs, &sequences, &times],
        )
        .await?;
    Ok(())
}

async fn add_to_ledger(
    transaction: &Transaction<'_>,
    ledger: &HashMap<&ProductId, LedgerDelta>,
) -> Result<(), LedgerError> {
    let products: Vec<&str> = ledger.keys().map(|product| product.as_str()).collect();
    let deltas = ledger.values();
    let sold: Vec<i64> = deltas.clone().map(|delta| delta.sold).collect();
    let total: Vec<i64> = deltas.clone().map(|delta| delta.total).collect();
    let closed: Vec<_> = deltas.clone().map(|delta| delta.closed_at).collect();
    let fenced = deltas.map(|delta| epoch_column(delta.fenced_epoch));
    let fenced: Vec<i32> = fenced.collect();
    transaction
        .execute(
            sql::ADD_TO_LEDGER,
            &[&products, &sold, &total, &closed, &fenced],
        )
        .await?;
    Ok(())
}

async fn add_to_series(
    transaction: &Transaction<'_>,
    series: &HashMap<NumberSeries, SeriesDelta>,
) -> Result<(), LedgerError> {
    let names: Vec<&str> = series.keys().map(NumberSeries::as_str).collect();
    let deltas = series.values();
    let written: Vec<i64> = deltas.clone().map(|delta| delta.written).collect();
    let highest: Vec<i64> = deltas.map(|delta| number_to_bits(delta.highest)).collect();
    transaction
        .execute(sql::ADD_TO_SERIES, &[&names, &written, &highest])
        .await?;
    Ok(())
}
