//! Filling Redis with what PostgreSQL has of a sale, after Redis has lost writes.
//!
//! 1. Stop: Redis sells nothing of the sale, whoever asks.
//! 2. Drain: what still waits in its outbox, if anything is left of it, goes to Kafka.
//! 3. Fence: an event on the sale's partition, behind which workers take nothing of earlier epochs.
//!    Once PostgreSQL is past it, what it has of the sale is final.
//! 4. Fill: records, units per user; and, as the last write, the sale itself, in a new epoch.
//!
//! Dying at any point leaves a sale that sells nothing, and a rebuild that can be run again.

mod drain;
mod refill;

use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::{Event, SaleFenced};
use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{FillError, Part, SaleKeys};
use jiff::Timestamp;
use uuid::Uuid;

use crate::flow::keys;
use crate::republish::lacking;
use crate::truth::{TruthError, Written};
use crate::{Stores, Undecided};

pub use refill::Refill;

/// Fences in a row that may turn out to be in a used epoch.
const FENCES_MAX: usize = 3;

/// A sale that sells again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its new epoch.
    pub epoch: u32,
    /// Events that its old outbox still held.
    pub drained: usize,
    /// Records that Redis had damaged: if PostgreSQL has their orders, they are restored.
    pub unreadable: u64,
    /// Orders whose keys replay.
    pub orders: usize,
    /// Units it has to sell.
    pub remaining: i64,
}

/// Why a sale was not rebuilt. It is stopped then, unless it was refused at the very beginning.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is nothing to rebuild it from.
    #[error("PostgreSQL has no sale of this product: nothing to rebuild it from")]
    NoSale,
    /// Somebody else is at it.
    #[error("another rebuild of this sale is under way")]
    Locked,
    /// Redis remembers orders that PostgreSQL lacks: they would be lost, and their units sold again.
    #[error(
        "Redis has {0} orders and changes that are not in PostgreSQL: `reconciler republish` first; it stays stopped"
    )]
    Unwritten(usize),
    /// The sale is not stopped any more: Redis has lost even that, or another rebuild has begun.
    #[error(
        "the sale is no longer stopped: another rebuild took over, or Redis has lost that, too; run it again at once"
    )]
    NotStopped,
    /// Another sale lives where its records were.
    #[error(
        "another sale with the same tag and opening time was opened since Redis lost this one; it shares the place of its records"
    )]
    Taken,
    /// Somebody sells in every epoch that is fenced.
    #[error("copies go on in new epochs by themselves (ON_REDIS_LOSS=continue); run it again")]
    Overtaken,
    /// Orders of the old epoch could still be taken.
    #[error("the workers know no fences: they are older than this program; it stays stopped")]
    NotFenced,
    /// The ledger's sum is not that of its orders: nobody can tell what may be sold.
    #[error("the ledger counts {sold} units sold, its orders {confirmed}; it stays stopped")]
    Inconsistent {
        /// By the ledger.
        sold: i64,
        /// By the orders.
        confirmed: i64,
    },
    /// Not finished; the sale is stopped. Run it again.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

impl From<FillError> for RebuildError {
    fn from(error: FillError) -> Self {
        match error {
            FillError::NotStopped => Self::NotStopped,
            FillError::Taken => Self::Taken,
            FillError::ReservationStore(error) => Self::Undecided(error.into()),
        }
    }
}

/// Rebuilds a sale.
///
/// # Errors
/// When it was not.
pub async fn rebuild(
    stores: &mut Stores,
    product: &ProductId,
    patience: Duration,
) -> Result<Rebuilt, RebuildError> {
    let sale = read(stores.truth.sale(product).await)?;
    let sale = sale.ok_or(RebuildError::NoSale)?;
    match stores.truth.lock(product).await {
        Err(TruthError::Locked) => return Err(RebuildError::Locked),
        locked => read(locked)?,
    }
    let keys = keys(product, sale.opens_at);
    // Its clone shares the connections; `stores` stays free for the other stores.
    let stock = stores.gate.clone();
    let token = Uuid::new_v4().to_string();
    let stopped = stock.stop(product, &keys, token).await?;
    let drained = drain::drain(stores, product, &keys, sale.partition).await?;

    // Nothing of the sale moves any more; but what was sent may not be written yet.
    stores.until_all_written(sale.partition, patience).await?;
    let unreadable = expect_written(stores, product, &keys).await?;
    let written = fence(stores, product, stopped.highest, patience).await?;
    let refill = Refill::of(&written)?;
    let orders = written.orders.len();
    // A large sale is a large part of the memory there is, and the filling takes a while.
    drop(written);
    stopped.empty(refill.epoch, product).await?;
    stopped.fill(Part::Orders, &refill.orders).await?;
    stopped.fill(Part::Users, &refill.users).await?;
    let rebuilt = Rebuilt {
        epoch: refill.epoch,
        drained,
        unreadable,
        orders,
        remaining: refill.remaining,
    };
    stopped.reopen(&refill.sale).await?;
    Ok(rebuilt)
}

/// Refuses where Redis remembers what PostgreSQL lacks; else, how many records nobody can read. Both stores'
/// rows are gone from memory when this returns.
async fn expect_written(
    stores: &mut Stores,
    product: &ProductId,
    keys: &SaleKeys,
) -> Result<u64, RebuildError> {
    let written = read(stores.truth.written(product).await)?;
    let records = read(stores.gate.records(keys).await)?;
    let lacking = lacking(product, &records, |_| false, &written);
    if lacking.is_empty() {
        Ok(records.unreadable)
    } else {
        Err(RebuildError::Unwritten(lacking.len()))
    }
}

/// Puts a fence on the sale's partition, in an epoch that nobody has used; what PostgreSQL has of the
/// sale behind it.
async fn fence(
    stores: &mut Stores,
    product: &ProductId,
    highest: SequenceNumber,
    patience: Duration,
) -> Result<Written, RebuildError> {
    for _ in 0..FENCES_MAX {
        let sale = read(stores.truth.sale(product).await)?.ok_or(RebuildError::NoSale)?;
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
        let written = read(stores.truth.written(product).await)?;
        let sale = written.sale.as_ref().ok_or(RebuildError::NoSale)?;
        if sale.fenced_epoch < epoch {
            return Err(RebuildError::NotFenced);
        }
        // Else somebody has used the epoch before the fence was written: a copy that went on by itself.
        if sale.highest == (SequenceNumber { epoch, sequence: 0 }) {
            return Ok(written);
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
