//! The transaction that writes a batch.

mod copy_orders;
mod find_orders;
mod found;
mod positions;
mod rows;
mod sale_rows;
mod statements;
mod written;

use std::collections::HashMap;

use deadpool_postgres::Object;
use fluxgate_domain::OrderFacts;
use fluxgate_domain::apply::{AppliedBatch, apply};
use fluxgate_domain::batch::Batch;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::OrderId;
use fluxgate_service::crash_points::crash_point;

use crate::{Ledger, LedgerError, sql};
use found::Found;
use positions::advance_positions;
use rows::BatchRows;
use statements::Statements;
pub use written::{ORDERS_NAMED_MAX, WrittenBatch};
use written::{insert_dead_letters, write_applied};

/// How the orders of a batch are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// As rows that are new, and completions as those of confirmed orders: no record of a log is written twice, and it is
    /// rare that something else has happened to an order.
    Fast,
    /// As rows that may exist.
    Slow,
}

impl Ledger {
    /// Writes a batch of `topic` and moves the positions past it, in one transaction: all of it, or nothing. A batch
    /// that is written twice has no effect the second time.
    ///
    /// # Errors
    /// When nothing was written, or, after a timeout or a broken connection, possibly everything.
    pub async fn write(&self, topic: &str, batch: &Batch) -> Result<WrittenBatch, LedgerError> {
        let rows = BatchRows::of(batch);
        self.within_deadline(async |client| {
            let limits = &self.limits;
            match write(client, limits, (topic, batch), &rows, Path::Fast).await {
                Err(LedgerError::CopyRefused(_) | LedgerError::NotConfirmed) => {
                    write(client, limits, (topic, batch), &rows, Path::Slow).await
                }
                outcome => outcome,
            }
        })
        .await
    }

    /// Writes events of a partition before they are read from its log, if they are ever: when they are, they have no
    /// effect. No position moves. Events that cannot be applied are left out.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub async fn write_ahead(
        &self,
        partition: i32,
        events: &[Event],
    ) -> Result<WrittenBatch, LedgerError> {
        let rows = BatchRows::of_events(partition, events);
        self.in_transaction(async |transaction| {
            transaction
                .batch_execute(sql::settings::FIND_BY_INDEX)
                .await?;
            let statements = Statements::prepare(transaction).await?;
            let found = Found::of(transaction, &statements, &rows, Path::Slow).await?;
            let (applied, completed) = applied(&rows, found);
            write_applied(transaction, &statements, &applied, &completed, Path::Slow).await?;
            Ok(WrittenBatch::of(&applied))
        })
        .await
    }
}

/// Reads and locks the rows that a batch touches, applies its operations in offset order, writes the result. Nothing is
/// written while records are refused that are not dead letters yet.
async fn write(
    client: &mut Object,
    limits: &str,
    (topic, batch): (&str, &Batch),
    rows: &BatchRows<'_>,
    path: Path,
) -> Result<WrittenBatch, LedgerError> {
    let transaction = client.transaction().await?;
    let statements = Statements::prepare(&transaction).await?;
    // Sent together: the settings first, and the positions are locked before anything else.
    let (limited, by_index, positions, found) = tokio::join!(
        transaction.batch_execute(limits),
        transaction.batch_execute(sql::settings::FIND_BY_INDEX),
        advance_positions(&transaction, &statements, topic, batch),
        Found::of(&transaction, &statements, rows, path),
    );
    limited?;
    by_index?;
    // After a mismatch of positions no other answer means anything.
    positions?;
    let (applied, completed) = applied(rows, found?);
    if !applied.refused.is_empty() {
        return Err(LedgerError::Refused(applied.refused));
    }
    let (result, dead_letters) = tokio::join!(
        write_applied(&transaction, &statements, &applied, &completed, path),
        insert_dead_letters(&transaction, &statements, topic, &rows.dead_letters),
    );
    result?;
    dead_letters?;
    crash_point("before_commit");
    transaction.commit().await?;
    crash_point("after_commit");
    Ok(WrittenBatch {
        dead_letters: rows.dead_letters.offsets.len() as u64,
        ..WrittenBatch::of(&applied)
    })
}

/// What a batch does, and what the rows of orders say that were completed already.
fn applied<'a>(
    rows: &BatchRows<'a>,
    mut found: Found,
) -> (AppliedBatch<'a>, HashMap<OrderId, OrderFacts>) {
    let applied = apply(&rows.operations, &found.existing, &mut found.headroom);
    (applied, found.completed)
}
