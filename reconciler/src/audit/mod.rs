//! Whether everything is where it should be, while the sales run.

mod findings;
mod table;

pub use findings::{Findings, Verdict};
pub use table::table;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::Snapshot;
use jiff::Timestamp;

use crate::{Stores, Undecided};

/// A sale in Redis, before the rest of its way is looked at.
struct Begun {
    product: ProductId,
    partition: i32,
    snapshot: Option<Snapshot>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Of each sale that was looked at, ordered by product.
    pub findings: Vec<Findings>,
    /// Sales that were not: they have been over for so long that Redis has let go of them.
    pub skipped: usize,
}

/// Compares the stores about these sales; without any, about all that one of them knows. Of those, the ones that Redis
/// has not and that were over by `retired` only with `old_ones`: nothing about them changes, and there are ever more.
///
/// # Errors
/// When a store does not answer.
pub async fn audit(
    stores: &mut Stores,
    products: &[ProductId],
    old_ones: bool,
    retired: Timestamp,
    patience: Duration,
) -> Result<Audited, Undecided> {
    let takes_all = old_ones || !products.is_empty();
    let mut skipped = 0;
    let mut findings = Vec::new();
    let mut begun = Vec::new();
    for (product, place) in stores.sales(products).await? {
        let Some(place) = place else {
            findings.push(Findings::unknown(product));
            continue;
        };
        let snapshot = stores.gate.snapshot(&place.keys(&product)).await?;
        if snapshot.is_none() && !takes_all && place.was_over(retired) {
            skipped += 1;
            continue;
        }
        begun.push(Begun {
            snapshot,
            partition: place.partition,
            product,
        });
    }
    let behind = behind(stores, &begun, patience).await?;
    for sale in begun {
        let written = stores.truth.written(&sale.product).await?;
        // A sale that is being rebuilt by now is none.
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

/// The partitions that were not written up to their present end in time, with why.
async fn behind(
    stores: &Stores,
    sales: &[Begun],
    patience: Duration,
) -> Result<HashMap<i32, Undecided>, Undecided> {
    let partitions: BTreeSet<i32> = sales.iter().map(|sale| sale.partition).collect();
    let began = Instant::now();
    let mut behind = HashMap::new();
    for partition in partitions {
        let left = patience.saturating_sub(began.elapsed());
        match stores.until_all_written(partition, left).await {
            Ok(()) => {}
            Err(late @ (Undecided::Behind { .. } | Undecided::Shorter { .. })) => {
                behind.insert(partition, late);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(behind)
}
