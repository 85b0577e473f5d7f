//! Restores a sale in Redis from PostgreSQL, after Redis has lost writes.
//!
//! 1. Stop: the sale takes no orders and no changes.
//! 2. Drain: the remaining outbox entries are published to Kafka.
//! 3. Fence: an event on the sale's partition, behind which workers accept nothing of earlier epochs. Once PostgreSQL is past
//!    it, the rows of the sale are final.
//! 4. Restore: records, holds, and what is counted per user; then, as the last write, the sale itself in a new epoch.
//!
//! A crash at any point leaves a stopped sale, and the rebuild can be run again.

mod drain;
mod orders;
mod refill;

use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::{Event, SaleFenced};
use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{FillError, Part, SaleKeys};
use fluxgate_ledger::{AuditError, LedgerRow};
use jiff::Timestamp;
use uuid::Uuid;

use crate::flow::Place;
use crate::unwritten::Unwritten;
use crate::{Stores, Undecided};
use orders::{restore_orders, restore_users};
use refill::Refill;

/// Fences written in a row if each turns out to use an epoch that is taken.
const FENCES_MAX: usize = 3;

/// A rebuilt sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its new epoch.
    pub epoch: u32,
    /// Events published from its old outbox.
    pub drained: usize,
    /// Damaged records in Redis; restored if PostgreSQL has the orders.
    pub unreadable: u64,
    /// Orders restored; their keys replay.
    pub orders: usize,
    /// Units remaining.
    pub remaining: i64,
}

/// Why a sale was not rebuilt. It stays stopped, unless the rebuild was refused before the stop.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// PostgreSQL does not have the sale.
    #[error("PostgreSQL has no sale of this product; there is nothing to rebuild it from")]
    NoSale,
    /// The sale is over, and has left Redis: nothing needs it there any more.
    #[error("the sale is over: PostgreSQL answers for it, and nothing needs to be rebuilt")]
    Over,
    /// Another rebuild holds the lock.
    #[error("another rebuild of this sale is running")]
    Locked,
    /// Another rebuild may have begun, so this one has stopped.
    #[error(
        "the lock of the rebuild was lost: {0}; the sale may be stopped; run the rebuild again"
    )]
    LockLost(#[source] AuditError),
    /// Redis has records that PostgreSQL lacks: their orders would be lost and their units sold again.
    #[error(
        "Redis has {0} orders and changes that are not in PostgreSQL; run `reconciler republish` first; the sale stays stopped"
    )]
    Unwritten(usize),
    /// The sale is no longer stopped: Redis has lost data again, or another rebuild has begun.
    #[error(
        "the sale is no longer stopped: another rebuild has begun, or Redis has lost data again; run the rebuild again at once"
    )]
    NotStopped,
    /// Another sale uses its orders hash.
    #[error(
        "another sale with the same tag and opening time was opened since Redis lost this one; both would share one orders hash"
    )]
    Taken,
    /// Instances continue in every epoch that is fenced.
    #[error("instances continue in new epochs (ON_REDIS_LOSS=continue); run the rebuild again")]
    Overtaken,
    /// Orders of the old epoch could still be written.
    #[error("the workers ignore fences: they are older than this program; the sale stays stopped")]
    NotFenced,
    /// A sum of the ledger differs from that of its orders: the units remaining, or those held, are unknown.
    #[error(
        "the ledger counts {counted} units {which}, its orders add up to {summed}; the sale stays stopped"
    )]
    Inconsistent {
        /// `sold` or `completed`.
        which: &'static str,
        /// Units by the ledger.
        counted: i64,
        /// Units of the orders.
        summed: i64,
    },
    /// Not finished; the sale stays stopped. Run the rebuild again.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

impl From<FillError> for RebuildError {
    fn from(error: FillError) -> Self {
        match error {
            FillError::NotStopped => Self::NotStopped,
            FillError::Taken => Self::Taken,
            FillError::Gate(error) => Self::Undecided(error.into()),
        }
    }
}

/// Rebuilds a sale.
///
/// # Errors
/// When it was refused or is not finished.
pub async fn rebuild(
    stores: &mut Stores,
    product: &ProductId,
    patience: Duration,
) -> Result<Rebuilt, RebuildError> {
    let sale = read(stores.ledger.sale(product).await)?;
    let sale = sale.ok_or(RebuildError::NoSale)?;
    let token = Uuid::new_v4();
    let lock = match stores.ledger.lock_rebuild(product, token).await {
        Err(AuditError::Locked) => return Err(RebuildError::Locked),
        locked => read(locked)?,
    };
    let rebuilt = tokio::select! {
        rebuilt = rebuild_locked(stores, product, &sale, token, patience) => rebuilt,
        cause = lock.lost() => Err(RebuildError::LockLost(cause)),
    };
    lock.release().await;
    rebuilt
}

async fn rebuild_locked(
    stores: &mut Stores,
    product: &ProductId,
    sale: &LedgerRow,
    token: Uuid,
    patience: Duration,
) -> Result<Rebuilt, RebuildError> {
    let keys = Place::of(sale).keys(product);
    if !read(stores.gate.has_any_key(&keys).await)? && is_over(stores, sale, patience).await? {
        return Err(RebuildError::Over);
    }
    // Its clone shares the connections; `stores` stays free for the other stores.
    let gate = stores.gate.clone();
    let stopped = gate.stop(product, &keys, token.to_string()).await?;
    let drained = drain::drain(stores, product, &keys, sale.partition).await?;

    // The sale is stopped, but events may still be on their way to PostgreSQL.
    stores.until_all_written(sale.partition, patience).await?;
    let unreadable = expect_written(stores, product, &keys).await?;
    fence(stores, product, stopped.highest, patience).await?;
    let (written, mut orders) = read(stores.ledger.read_sale(product).await)?;
    let refill = Refill::of(&written, orders.sold_units(), orders.completed_units())?;
    stopped.empty(refill.epoch, product).await?;
    stopped.fill(Part::Orders, &refill.changes).await?;
    let restored = restore_orders(&stopped, &mut orders, refill.holds).await?;
    restore_users(&stopped, &mut orders, &refill).await?;
    stopped.reopen(&refill.sale).await?;
    Ok(Rebuilt {
        epoch: refill.epoch,
        drained,
        unreadable,
        orders: restored,
        remaining: refill.remaining,
    })
}

/// Whether a sale has ended and none of its orders waits for its payment.
async fn is_over(
    stores: &Stores,
    sale: &LedgerRow,
    patience: Duration,
) -> Result<bool, RebuildError> {
    let has_ended = sale.ends_at.is_some_and(|at| at <= Timestamp::now());
    if !has_ended || !sale.has_holds() {
        return Ok(has_ended);
    }
    // Orders may still be on their way to PostgreSQL.
    stores.until_all_written(sale.partition, patience).await?;
    let sale = read(stores.ledger.sale(&sale.product).await)?.ok_or(RebuildError::NoSale)?;
    Ok(!sale.has_live_holds())
}

/// Refuses if Redis has records that PostgreSQL lacks; otherwise returns the number of unreadable records.
async fn expect_written(
    stores: &mut Stores,
    product: &ProductId,
    keys: &SaleKeys,
) -> Result<u64, RebuildError> {
    let mut unwritten = Unwritten::of(read(stores.gate.records(keys).await)?);
    let written = unwritten.remove_written(&mut stores.ledger, product).await;
    let lacking = unwritten.lacking(|_| false, &read(written)?);
    if lacking.is_empty() {
        Ok(unwritten.unreadable())
    } else {
        Err(RebuildError::Unwritten(lacking.len()))
    }
}

/// Writes a fence to the sale's partition, in an unused epoch; returns once PostgreSQL has the rows behind it.
async fn fence(
    stores: &mut Stores,
    product: &ProductId,
    highest: SequenceNumber,
    patience: Duration,
) -> Result<(), RebuildError> {
    for _ in 0..FENCES_MAX {
        let sale = read(stores.ledger.sale(product).await)?.ok_or(RebuildError::NoSale)?;
        let known = [sale.highest.epoch, sale.fenced_epoch, highest.epoch];
        let epoch = 1 + known.into_iter().max().unwrap_or_default();
        let event = Event::SaleFenced(SaleFenced {
            product_id: product.clone(),
            epoch,
            fenced_at: to_millisecond(Timestamp::now()),
        });
        let offset = read(stores.log.append(sale.partition, &event).await)?;
        let behind = stores.until_written(sale.partition, offset + 1, patience);
        behind.await?;
        let sale = read(stores.ledger.sale(product).await)?.ok_or(RebuildError::NoSale)?;
        if sale.fenced_epoch < epoch {
            return Err(RebuildError::NotFenced);
        }
        // Otherwise an instance has continued in this epoch before the fence was written.
        if sale.highest == (SequenceNumber { epoch, sequence: 0 }) {
            return Ok(());
        }
    }
    Err(RebuildError::Overtaken)
}

fn read<T, E: Into<Undecided>>(answer: Result<T, E>) -> Result<T, Undecided> {
    answer.map_err(Into::into)
}

fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
