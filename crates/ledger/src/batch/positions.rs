use std::collections::HashMap;

use deadpool_postgres::Transaction;
use fluxgate_domain::batch::Batch;

use super::statements::Statements;
use crate::LedgerError;
use crate::ledger::CONSUMER;
use tokio_postgres::types::ToSql;

/// Locks the positions, compares them with the batch, and moves them past it.
pub async fn advance_positions(
    transaction: &Transaction<'_>,
    statements: &Statements,
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
    let (locked, advanced) = tokio::join!(
        async {
            let parameters: [&(dyn ToSql + Sync); 3] = [&CONSUMER, &topic, &partitions];
            let lock = &statements.lock_positions;
            transaction.query(lock, &parameters).await
        },
        async {
            let parameters: [&(dyn ToSql + Sync); 7] = [
                &CONSUMER,
                &topic,
                &partitions,
                &next,
                &last_offsets,
                &checksums,
                &empty,
            ];
            let advance = &statements.advance_positions;
            transaction.execute(advance, &parameters).await
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
