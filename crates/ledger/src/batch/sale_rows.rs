//! Writes what a batch changes about sales.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use fluxgate_domain::NumberSeries;
use fluxgate_domain::apply::{LedgerDelta, NewChange, SeriesDelta};
use fluxgate_domain::events::SaleAmended;
use fluxgate_domain::ids::ProductId;
use tokio_postgres::types::ToSql;

use super::statements::Statements;
use crate::LedgerError;
use crate::columns::{epoch_column, number_to_bits};

/// Writes changes of sales.
pub async fn insert_changes(
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
    let settings = changes.iter().map(|it| it.queue_settings);
    let settings: Vec<_> = settings.map(|it| it.map(|it| it.to_json())).collect();
    let parameters: [&(dyn ToSql + Sync); 8] = [
        &products, &ids, &kinds, &units, &epochs, &sequences, &times, &settings,
    ];
    transaction
        .execute(&statements.insert_changes, &parameters)
        .await?;
    Ok(())
}

/// Gives sales the terms of their amendments.
pub async fn amend_sales(
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

/// Adds to ledger rows.
pub async fn add_to_ledger(
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
    let completed: Vec<i64> = deltas.clone().map(|delta| delta.completed).collect();
    let total: Vec<i64> = deltas.clone().map(|delta| delta.total).collect();
    let closed: Vec<_> = deltas.clone().map(|delta| delta.closed_at).collect();
    let fenced = deltas.clone().map(|delta| epoch_column(delta.fenced_epoch));
    let fenced: Vec<i32> = fenced.collect();
    let joined: Vec<Option<i64>> = deltas.map(|delta| delta.queue_joined).collect();
    let parameters: [&(dyn ToSql + Sync); 7] = [
        &products, &sold, &completed, &total, &closed, &fenced, &joined,
    ];
    transaction
        .execute(&statements.add_to_ledger, &parameters)
        .await?;
    Ok(())
}

/// Adds to number series.
pub async fn add_to_series(
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
    let holds_ended: Vec<i64> = deltas.clone().map(|delta| delta.holds_ended).collect();
    let highest: Vec<i64> = deltas.map(|delta| number_to_bits(delta.highest)).collect();
    let parameters: [&(dyn ToSql + Sync); 4] = [&names, &written, &holds_ended, &highest];
    transaction
        .execute(&statements.add_to_series, &parameters)
        .await?;
    Ok(())
}
