use fluxgate_domain::{OrderStatus, SequenceNumber, Terms};
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::{LedgerError, columns};

/// A row of `orders`, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WrittenOrder {
    pub product_id: String,
    pub user_id: String,
    pub quantity: i32,
    /// One that a row can have.
    pub status: OrderStatus,
    pub placed_at: Timestamp,
    /// The number of its reservation.
    pub number: SequenceNumber,
    /// Whether it was paid when it had no units, and the ledger had none left for it.
    pub completion_refused: bool,
}

/// What the ledger knows of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerEntry {
    /// When the sale ends or ended; `None` for an open-ended sale.
    pub ends_at: Option<Timestamp>,
    /// The highest written number: of an order, a cancel, a change or a fence.
    pub highest: SequenceNumber,
    /// When it opened.
    pub opens_at: Timestamp,
    /// The time in its order ids.
    pub id_time: Timestamp,
    /// When it was to end by its terms.
    pub closes_at: Option<Timestamp>,
    /// Units for sale in all.
    pub total: i64,
    /// Those of them that restocks added.
    pub restocked: i64,
    /// Units of its confirmed and completed orders.
    pub sold: i64,
    /// Those of them that are paid, in a sale with holds.
    pub completed: i64,
    /// Units that one user may hold.
    pub per_user_limit: Option<i64>,
    /// Its partition of the topic.
    pub partition: i32,
    /// Everything that was said about it; `None`: opened by version 0.2 or earlier.
    pub terms: Option<Terms>,
}

impl WrittenOrder {
    pub(super) fn read(row: &Row) -> Result<Self, LedgerError> {
        Ok(Self {
            product_id: row.try_get(1)?,
            user_id: row.try_get(2)?,
            quantity: row.try_get(3)?,
            status: columns::status(row.try_get(4)?)?,
            placed_at: row.try_get(5)?,
            number: columns::number(row.try_get(6)?, row.try_get(7)?)?,
            completion_refused: row.try_get(8)?,
        })
    }
}

impl LedgerEntry {
    pub(super) fn read(row: &Row) -> Result<Self, LedgerError> {
        Ok(Self {
            ends_at: row.try_get(1)?,
            highest: columns::number(row.try_get(2)?, row.try_get(3)?)?,
            opens_at: row.try_get(4)?,
            closes_at: row.try_get(5)?,
            total: row.try_get(6)?,
            sold: row.try_get(7)?,
            per_user_limit: row.try_get(8)?,
            partition: row.try_get(9)?,
            restocked: row.try_get(10)?,
            terms: columns::terms(row.try_get(11)?)?,
            id_time: row.try_get(12)?,
            completed: row.try_get(13)?,
        })
    }
}
