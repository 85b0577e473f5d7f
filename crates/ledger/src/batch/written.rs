//! Writes what `apply` has decided, and counts it.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use fluxgate_domain::apply::{
    AppliedBatch, LedgerDelta, NewChange, NewOrder, Outcome, RejectReason, SeriesDelta,
};
use fluxgate_domain::events::SaleAmended;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSeries, OrderStatus, SequenceNumber};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Path;
use super::copy_orders::copy_orders;
use super::rows::{DeadLetterColumns, OrderColumns};
use super::statements::Statements;
use crate::LedgerError;
use crate::columns::{bounds, epoch_column, number_to_bits};

/// Most rejected orders that [`WrittenBatch`] names: enough to look into what happened.
pub const REJECTED_NAMED_MAX: usize = 5;

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
    /// Orders cancelled.
    pub cancelled: u64,
    /// Restocks, amendments and closings.
    pub changes: u64,
    /// Records whose order or change had its row already.
    pub duplicates: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// The first rejected orders, at most [`REJECTED_NAMED_MAX`].
    pub rejected: Vec<OrderId>,
}

impl WrittenBatch {
    /// Counts what a batch has written, all but its dead letters.
    pub(super) fn of(applied: &AppliedBatch<'_>) -> Self {
        let mut written = Self {
            placed_at: Vec::with_capacity(applied.orders.len()),
            cancelled: applied.cancelled.len() as u64,
            changes: applied.changes.len() as u64,
            duplicates: applied.duplicates,
            ..Self::default()
        };
        for row in &applied.orders {
            match row.outcome {
                Outcome::Confirmed => {
                    written.confirmed += 1;
                    written.placed_at.push(row.order.placed_at);
                }
                Outcome::Rejected(RejectReason::Oversold) => written.oversold += 1,
                Outcome::Rejected(RejectReason::UnknownSale) => written.unknown_sale += 1,
                Outcome::Rejected(RejectReason::Fenced) => written.fenced += 1,
                Outcome::Cancelled => written.cancelled += 1,
            }
        }
        let orders = applied.orders.iter();
        let rejected = orders.filter(|row| row.outcome.status() == OrderStatus::Rejected);
        let named = rejected.take(REJECTED_NAMED_MAX);
        written.rejected = named.map(|row| row.order.order_id).collect();
        written
    }
}

/// Writes the result of a batch.
pub async fn write_applied(
    transaction: &Transaction<'_>,
    statements: &Statements,
    applied: &AppliedBatch<'_>,
    path: Path,
) -> Result<(), LedgerError> {
    let new_orders = async {
        match path {
            Path::Fast => copy_orders(transaction, &statements.copy_orders, &applied.orders).await,
            Path::Slow => insert_orders(transaction, statements, &applied.orders).await,
        }
    };
    let (orders, cancelled, changes, amended, ledger, series) = tokio::join!(
        new_orders,
        cancel_orders(transaction, statements, &applied.cancelled),
        insert_changes(transaction, statements, &applied.changes),
        amend_sales(transaction, statements, &applied.amendments),
        add_to_ledger(transaction, statements, &applied.ledger),
        add_to_series(transaction, statements, &applied.series),
    );
    // The first error is the one that counts: PostgreSQL ignores the statements behind a failed one.
    orders?;
    cancelled?;
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
    let statuses = orders.iter().map(|row| row.outcome.status().as_str());
    let statuses: Vec<_> = statuses.collect();
    let reasons: Vec<_> = orders.iter().map(|row| row.outcome.reason()).collect();
    let cancels = orders
        .iter()
        .map(|row| row.cancel_number.map(number_to_bits));
    let cancels: Vec<_> = cancels.collect();
    let parameters: [&(dyn ToSql + Sync); 10] = [
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
    ];
    transaction
        .execute(&statements.insert_orders, &parameters)
        .await?;
    Ok(())
}

async fn cancel_orders(
    transaction: &Transaction<'_>,
    statements: &Statements,
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
    let parameters: [&(dyn ToSql + Sync); 4] = [&ids, &numbers, &lowest, &highest];
    transaction
        .execute(&statements.cancel_orders, &parameters)
        .await?;
    Ok(())
}

async fn insert_changes(
    transaction: &Transaction<'_>,
    statements: &Statements,
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
    let parameters: [&(dyn ToSql + Sync); 7] =
        [&products, &ids, &kinds, &units, &epochs, &sequences, &times];
    transaction
        .execute(&statements.insert_changes, &parameters)
        .await?;
    Ok(())
}

async fn amend_sales(
    transaction: &Transaction<'_>,
    statements: &Statements,
    amendments: &HashMap<&ProductId, &SaleAmended>,
) -> Result<(), LedgerError> {
    if amendments.is_empty() {
        return Ok(());
    }
    let amended = amendments.values();
    let products: Vec<_> = amended.clone().map(|it| it.product_id.as_str()).collect();
    let opens_at: Vec<_> = amended.clone().map(|it| it.opens_at).collect();
    let closes_at: Vec<_> = amended.clone().map(|it| it.terms.closes_at).collect();
    let limits = amended.clone().map(|it| it.terms.per_user_limit);
    let limits: Vec<_> = limits.map(|limit| limit.map(i64::from)).collect();
    let terms: Vec<_> = amended.clone().map(|it| it.terms.to_json()).collect();
    let numbers: Vec<_> = amended.map(|it| number_to_bits(it.number())).collect();
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&products, &opens_at, &closes_at, &limits, &terms, &numbers];
    transaction
        .execute(&statements.amend_sales, &parameters)
        .await?;
    Ok(())
}

async fn add_to_ledger(
    transaction: &Transaction<'_>,
    statements: &Statements,
    ledger: &HashMap<&ProductId, LedgerDelta>,
) -> Result<(), LedgerError> {
    if ledger.is_empty() {
        return Ok(());
    }
    let products: Vec<&str> = ledger.keys().map(|product| product.as_str()).collect();
    let deltas = ledger.values();
    let sold: Vec<i64> = deltas.clone().map(|delta| delta.sold).collect();
    let total: Vec<i64> = deltas.clone().map(|delta| delta.total).collect();
    let closed: Vec<_> = deltas.clone().map(|delta| delta.closed_at).collect();
    let fenced = deltas.map(|delta| epoch_column(delta.fenced_epoch));
    let fenced: Vec<i32> = fenced.collect();
    let parameters: [&(dyn ToSql + Sync); 5] = [&products, &sold, &total, &closed, &fenced];
    transaction
        .execute(&statements.add_to_ledger, &parameters)
        .await?;
    Ok(())
}

async fn add_to_series(
    transaction: &Transaction<'_>,
    statements: &Statements,
    series: &HashMap<NumberSeries, SeriesDelta>,
) -> Result<(), LedgerError> {
    if series.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = series.keys().map(NumberSeries::as_str).collect();
    let deltas = series.values();
    let written: Vec<i64> = deltas.clone().map(|delta| delta.written).collect();
    let highest: Vec<i64> = deltas.map(|delta| number_to_bits(delta.highest)).collect();
    let parameters: [&(dyn ToSql + Sync); 3] = [&names, &written, &highest];
    transaction
        .execute(&statements.add_to_series, &parameters)
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
