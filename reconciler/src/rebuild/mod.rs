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

use fluxgate_core::events::{Event, SaleFenced};
use fluxgate_core::ids::ProductId;
use ingest_api::stock::{FillError, Part};
use jiff::Timestamp;
use uuid::Uuid;

use crate::flow::keys;
use crate::republish::lacking;
use crate::truth::TruthError;
use crate::{Stores, Undecided};

pub use refill::Refill;

/// A sale that sells again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its new epoch.
    pub epoch: u32,
    /// Events that its old outbox still held.
    pub drained: usize,
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
        "Redis has {0} orders and changes that are not in PostgreSQL: `reconciler republish` first"
    )]
    Unwritten(usize),
    /// Orders of the old epoch could still be taken.
    #[error("the workers know no fences: they are older than this program")]
    NotFenced,
    /// The ledger's sum is not that of its orders: nobody can tell what may be sold.
    #[error("the ledger counts {sold} units sold, its orders {confirmed}")]
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
            FillError::TakenOver => Self::Locked,
            FillError::Stock(error) => Self::Undecided(error.into()),
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
    let sale = stores.truth.sale(product).await.map_err(Undecided::from)?;
    let sale = sale.ok_or(RebuildError::NoSale)?;
    match stores.truth.lock(product).await {
        Err(TruthError::Locked) => return Err(RebuildError::Locked),
        locked => locked.map_err(Undecided::from)?,
    }
    let keys = keys(product, sale.opens_at);
    // Its clone shares the connections; `stores` stays free for the other stores.
    let stock = stores.stock.clone();
    let stopped = stock.stop(product, &keys, Uuid::new_v4().to_string()).await;
    let stopped = stopped.map_err(Undecided::from)?;
    let drained = drain::drain(stores, product, &keys, sale.partition).await?;

    let known = [sale.highest.epoch, sale.fenced_epoch, stopped.highest.epoch];
    let epoch = 1 + known.into_iter().max().unwrap_or_default();
    let fence = Event::SaleFenced(SaleFenced {
        product_id: product.clone(),
        epoch,
        fenced_at: to_millisecond(Timestamp::now()),
    });
    let fence = stores.log.append(sale.partition, &fence).await;
    let fence = fence.map_err(Undecided::from)?;
    stores
        .until_written(sale.partition, fence + 1, patience)
        .await?;

    let written = stores.truth.written(product).await;
    let written = written.map_err(Undecided::from)?;
    let refill = Refill::of(&written, epoch)?;
    let records = stock.records(&keys).await.map_err(Undecided::from)?;
    let lacking = lacking(product, &records, &Default::default(), &written);
    if !lacking.is_empty() {
        return Err(RebuildError::Unwritten(lacking.len()));
    }

    stopped.empty(epoch, product).await?;
    stopped.fill(Part::Orders, &refill.orders).await?;
    stopped.fill(Part::Users, &refill.users).await?;
    stopped.reopen(&refill.sale).await?;
    Ok(Rebuilt {
        epoch,
        drained,
        orders: written.orders.len(),
        remaining: refill.remaining,
    })
}

fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
