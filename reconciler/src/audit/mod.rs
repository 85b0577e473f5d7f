//! Compares Redis, Kafka and PostgreSQL about each sale, while the sales run. Writes nothing.

mod findings;
mod table;
#[cfg(test)]
mod tests;

pub use findings::Findings;
pub use table::table;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::Snapshot;
use jiff::Timestamp;

use crate::{Stores, Undecided};

/// A sale whose snapshot in Redis was taken, before Kafka and PostgreSQL are read.
struct SnapshotTaken {
    product: ProductId,
    partition: i32,
    snapshot: Option<Snapshot>,
}

/// The conclusion of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The stores are consistent.
    Right,
    /// They are not.
    Wrong,
    /// Inconclusive: the next audit may decide it.
    Undecided,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// The findings of each audited sale, ordered by product.
    pub findings: Vec<Findings>,
    /// Retired sales that were skipped.
    pub skipped: usize,
}

/// Compares the stores about these sales, or about all sales. Of all sales, those that ended before `retired` and that
/// Redis no longer has are skipped unless `include_retired`: they do not change, and their number only grows.
///
/// # Errors
/// When a store gives no usable answer.
pub async fn audit(
    stores: &mut Stores,
    products: &[ProductId],
    include_retired: bool,
    retired: Timestamp,
    patience: Duration,
) -> Result<Audited, Undecided> {
    let includes_retired = include_retired || !products.is_empty();
    let mut skipped = 0;
    let mut findings = Vec::new();
    let mut taken = Vec::new();
    for (product, place) in stores.sales(products).await? {
        let Some(place) = place else {
            findings.push(Findings::unknown(product));
            continue;
        };
        let snapshot = stores.gate.snapshot(&place.keys(&product)).await?;
        if snapshot.is_none() && !includes_retired && place.was_over(retired) {
            skipped += 1;
            continue;
        }
        taken.push(SnapshotTaken {
            snapshot,
            partition: place.partition,
            product,
        });
    }
    let behind = behind(stores, &taken, patience).await?;
    for sale in taken {
        let written = stores.ledger.written(&sale.product).await?;
        // `None` if a rebuild has begun.
        let now = stores.gate.sale(&sale.product).await?;
        let now = now.map(|view| view.number);
        let mut found = match &sale.snapshot {
            Some(snapshot) => Findings::compare(sale.product, snapshot, &written, now),
            None => Findings::without_redis(sale.product, &written, Timestamp::now()),
        };
        if let Some(late) = behind.get(&sale.partition) {
            found.note_behind(late);
        }
        findings.push(found);
    }
    findings.sort_by(|a, b| a.product.as_str().cmp(b.product.as_str()));
    Ok(Audited { findings, skipped })
}

/// The partitions that PostgreSQL has not reached the current end of in time, or that are halted, with the reason.
async fn behind(
    stores: &Stores,
    sales: &[SnapshotTaken],
    patience: Duration,
) -> Result<HashMap<i32, Undecided>, Undecided> {
    let partitions: BTreeSet<i32> = sales.iter().map(|sale| sale.partition).collect();
    let began = Instant::now();
    let mut behind = HashMap::new();
    for partition in partitions {
        let left = patience.saturating_sub(began.elapsed());
        match stores.until_all_written(partition, left).await {
            Ok(()) => {}
            Err(
                late @ (Undecided::Behind { .. }
                | Undecided::Shorter { .. }
                | Undecided::Halted { .. }),
            ) => {
                behind.insert(partition, late);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(behind)
}
