//! What both paths write: positions, openings, dead letters.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use fluxgate_domain::NumberSeries;
use fluxgate_domain::batch::Batch;

use super::rows::{BatchRows, DeadLetterColumns};
use crate::columns::epoch_column;
use crate::ledger::CONSUMER;
use crate::{LedgerError, sql};

/// Locks the positions, compares them with the batch, and moves them past it.
pub async fn advance_positions(
    transaction: &Transaction<'_>,
    topic: &str,
    batch: &Batch,
) -> Result<(), LedgerError> {
    let slices = || batch.slices.iter();
    let partitions: Vec<i32> = slices().map(|slice| slice.partition).collect();
    let next: Vec<i64> = slices().map(|slice| slice.next).collect();
    let last = || slices().map(|slice| slice.last);
    let last_offsets: Vec<_> = last().map(|mark| Some(mark?.offset)).collect();
    let checksums: Vec<_> = last()
        .map(|mark| Some(mark?.checksum.cast_signed()))
        .collect();
    let empty: Vec<bool> = slices().map(|slice| slice.records.is_empty()).collect();
    let lock = transaction.prepare_cached(sql::LOCK_POSITIONS).await?;
    let advance = transaction.prepare_cached(sql::ADVANCE_POSITIONS).await?;
    let (locked, advanced) = tokio::join!(
        async {
            transaction
                .query(&lock, &[&CONSUMER, &topic, &partitions])
                .await
        },
        async {
            transaction
                .execute(
                    &advance,
                    &[
                        &CONSUMER,
                        &topic,
                        &partitions,
                        &next,
                        &last_offsets,
                        &checksums,
                        &empty,
                    ],
                )
                .await
        },
    );
    let mut held = HashMap::new();
    for row in locked? {
        let position: (i64, i32) = (row.try_get(1)?, row.try_get(2)?);
        held.insert(row.try_get::<_, i32>(0)?, position);
    }
    let mismatches: Vec<i32> = slices()
        .filter(|slice| held.get(&slice.partition) != Some(&(slice.expected, slice.log_number)))
        .map(|slice| slice.partition)
        .collect();
    if !mismatches.is_empty() {
        return Err(LedgerError::PositionMismatch(mismatches));
    }
    advanced?;
    Ok(())
}

/// Opens the sales that have no ledger row, each with its number series; returns their products.
pub async fn open_sales(
    transaction: &Transaction<'_>,
    rows: &BatchRows<'_>,
) -> Result<HashSet<String>, LedgerError> {
    let sales = rows.first_openings();
    if sales.is_empty() {
        return Ok(HashSet::new());
    }
    let products: Vec<_> = sales.iter().map(|sale| sale.product_id.as_str()).collect();
    let totals: Vec<_> = sales.iter().map(|sale| i64::from(sale.total)).collect();
    let opens_at: Vec<_> = sales.iter().map(|sale| sale.opens_at).collect();
    let closes_at: Vec<_> = sales.iter().map(|sale| sale.closes_at).collect();
    let limits = sales.iter().map(|sale| sale.per_user_limit.map(i64::from));
    let limits: Vec<_> = limits.collect();
    let epochs: Vec<_> = sales.iter().map(|sale| epoch_column(sale.epoch)).collect();
    let partitions: Vec<_> = sales.iter().map(|sale| sale.partition).collect();
    let series = sales.iter().map(|sale| NumberSeries::of(&sale.product_id));
    let series: Vec<NumberSeries> = series.collect();
    let series: Vec<&str> = series.iter().map(NumberSeries::as_str).collect();
    let open = transaction.prepare_cached(sql::OPEN_SALES).await?;
    let opened = transaction
        .query(
            &open,
            &[
                &products,
                &totals,
                &opens_at,
                &closes_at,
                &limits,
                &partitions,
                &series,
                &epochs,
            ],
        )
        .await?;
    opened.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Writes dead letters.
pub async fn insert_dead_letters(
    transaction: &Transaction<'_>,
    topic: &str,
    dead_letters: &DeadLetterColumns<'_>,
) -> Result<(), LedgerError> {
    if dead_letters.offsets.is_empty() {
        return Ok(());
    }
    let insert = transaction.prepare_cached(sql::INSERT_DEAD_LETTERS).await?;
    transaction
        .execute(
            &insert,
            &[
                &topic,
                &dead_letters.partitions,
                &dead_letters.log_numbers,
                &dead_letters.offsets,
                &dead_letters.reasons,
                &dead_letters.keys,
                &dead_letters.values,
            ],
        )
        .await?;
    Ok(())
}
