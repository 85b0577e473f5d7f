//! Writes what `apply` has decided, and counts it.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use fluxgate_domain::OrderFacts;
use fluxgate_domain::apply::{AppliedBatch, NewOrder};
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::order_facts::{Decision, RejectReason};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Path;
use super::copy_orders::copy_orders;
use super::rows::{DeadLetterColumns, FactColumns, OrderColumns};
use super::sale_rows::{add_to_ledger, add_to_series, amend_sales, insert_changes};
use super::statements::Statements;
use crate::LedgerError;

/// Most orders of a kind that [`WrittenBatch`] names: enough to look into what happened.
pub const ORDERS_NAMED_MAX: usize = 5;

/// What writing a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenBatch {
    /// Orders confirmed.
    pub confirmed: u64,
    /// When each confirmed order was placed.
    pub placed_at: Vec<Timestamp>,
    /// Orders rejected because the stock does not cover them.
    pub oversold: u64,
    /// Orders rejected because their sale has no ledger row.
    pub unknown_sale: u64,
    /// Orders rejected because their epoch is below the fence of their sale.
    pub fenced: u64,
    /// Orders completed, those without units included.
    pub completed: u64,
    /// Orders expired.
    pub expired: u64,
    /// Orders cancelled.
    pub cancelled: u64,
    /// Completed orders that have no units.
    pub paid_without_unit: u64,
    /// Restocks, amendments, closings, and starts and changes of queues.
    pub changes: u64,
    /// Records whose order or change had its row already.
    pub duplicates: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// The first rejected orders, at most [`ORDERS_NAMED_MAX`].
    pub rejected: Vec<OrderId>,
    /// The first completed orders that have no units, at most [`ORDERS_NAMED_MAX`].
    pub paid_without_unit_named: Vec<OrderId>,
}

impl WrittenBatch {
    /// Counts what a batch has written, all but its dead letters.
    pub(super) fn of(applied: &AppliedBatch<'_>) -> Self {
        let without_unit = &applied.paid_without_unit;
        let mut written = Self {
            placed_at: Vec::with_capacity(applied.orders.len()),
            completed: applied.facts.completions,
            expired: applied.facts.expiries,
            cancelled: applied.facts.cancels,
            paid_without_unit: without_unit.len() as u64,
            paid_without_unit_named: without_unit
                .iter()
                .copied()
                .take(ORDERS_NAMED_MAX)
                .collect(),
            changes: applied.changes.len() as u64,
            duplicates: applied.duplicates,
            ..Self::default()
        };
        for row in &applied.orders {
            let count = match row.facts.decision {
                Decision::Confirmed => {
                    written.placed_at.push(row.order.placed_at);
                    written.confirmed += 1;
                    continue;
                }
                Decision::Rejected(RejectReason::Oversold) => &mut written.oversold,
                Decision::Rejected(RejectReason::UnknownSale) => &mut written.unknown_sale,
                Decision::Rejected(RejectReason::Fenced) => &mut written.fenced,
            };
            *count += 1;
            if written.rejected.len() < ORDERS_NAMED_MAX {
                written.rejected.push(row.order.order_id);
            }
        }
        written
    }
}

/// Writes the result of a batch, but no row of an order that says it already because it was `completed` on the way.
pub async fn write_applied(
    transaction: &Transaction<'_>,
    statements: &Statements,
    applied: &AppliedBatch<'_>,
    completed: &HashMap<OrderId, OrderFacts>,
    path: Path,
) -> Result<(), LedgerError> {
    let new_orders = async {
        match path {
            Path::Fast => copy_orders(transaction, statements, &applied.orders).await,
            Path::Slow => insert_orders(transaction, statements, &applied.orders).await,
        }
    };
    let changed = applied.changed.iter();
    let changed = changed.filter(|(id, facts)| completed.get(id) != Some(facts));
    let (orders, changed, changes, amended, ledger, series) = tokio::join!(
        new_orders,
        change_orders(transaction, statements, changed),
        insert_changes(transaction, statements, &applied.changes),
        amend_sales(transaction, statements, &applied.amendments),
        add_to_ledger(transaction, statements, &applied.ledger),
        add_to_series(transaction, statements, &applied.series),
    );
    // The first error is the one that counts: PostgreSQL ignores the statements behind a failed one.
    orders?;
    changed?;
    changes?;
    amended?;
    ledger?;
    series
}

async fn insert_orders(
    transaction: &Transaction<'_>,
    statements: &Statements,
    orders: &[NewOrder<'_>],
) -> Result<(), LedgerError> {
    if orders.is_empty() {
        return Ok(());
    }
    let o = OrderColumns::of(orders.iter().map(|row| row.order));
    let reasons: Vec<_> = orders
        .iter()
        .map(|row| row.facts.decision.reason())
        .collect();
    let f = FactColumns::of(orders.iter().map(|row| &row.facts));
    let parameters: [&(dyn ToSql + Sync); 14] = [
        &o.ids,
        &o.products,
        &o.users,
        &o.quantities,
        &o.epochs,
        &o.sequences,
        &o.placed_at,
        &f.statuses,
        &reasons,
        &f.completions,
        &f.completions_refused,
        &f.expiries,
        &f.cancels,
        &f.cancel_causes,
    ];
    transaction
        .execute(&statements.insert_orders, &parameters)
        .await?;
    Ok(())
}

async fn change_orders(
    transaction: &Transaction<'_>,
    statements: &Statements,
    changed: impl Iterator<Item = (&OrderId, &OrderFacts)>,
) -> Result<(), LedgerError> {
    let mut changed: Vec<(Uuid, &OrderFacts)> =
        changed.map(|(id, facts)| (id.as_uuid(), facts)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    // Neighbours in the index are looked up one after the other.
    changed.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<Uuid> = changed.iter().map(|(id, _)| *id).collect();
    let f = FactColumns::of(changed.iter().map(|(_, facts)| *facts));
    let parameters: [&(dyn ToSql + Sync); 7] = [
        &ids,
        &f.statuses,
        &f.completions,
        &f.completions_refused,
        &f.expiries,
        &f.cancels,
        &f.cancel_causes,
    ];
    transaction
        .execute(&statements.change_orders, &parameters)
        .await?;
    Ok(())
}

/// Writes dead letters.
pub async fn insert_dead_letters(
    transaction: &Transaction<'_>,
    statements: &Statements,
    topic: &str,
    dead_letters: &DeadLetterColumns<'_>,
) -> Result<(), LedgerError> {
    if dead_letters.offsets.is_empty() {
        return Ok(());
    }
    let parameters: [&(dyn ToSql + Sync); 7] = [
        &topic,
        &dead_letters.partitions,
        &dead_letters.log_numbers,
        &dead_letters.offsets,
        &dead_letters.reasons,
        &dead_letters.keys,
        &dead_letters.values,
    ];
    transaction
        .execute(&statements.insert_dead_letters, &parameters)
        .await?;
    Ok(())
}
