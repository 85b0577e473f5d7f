//! The transaction that writes a batch.

mod fast_path;
mod rows;
mod slow_path;
mod statements;

use fluxgate_domain::batch::Batch;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::OrderId;
use jiff::Timestamp;

use crate::{Ledger, LedgerError};
use rows::BatchRows;

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
    /// Restocks and closings.
    pub changes: u64,
    /// Records whose order or change had its row already.
    pub duplicates: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// The first rejected orders, at most [`REJECTED_NAMED_MAX`].
    pub rejected: Vec<OrderId>,
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
            if !rows.needs_slow_path
                && let Some(written) =
                    fast_path::write(client, &self.limits, topic, batch, &rows).await?
            {
                return Ok(written);
            }
            slow_path::write(client, &self.limits, topic, batch, &rows).await
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
        self.within_deadline(async |client| {
            slow_path::write_ahead(client, &self.limits, &rows).await
        })
        .await
    }
}
