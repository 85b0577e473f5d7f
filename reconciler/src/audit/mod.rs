//! Compares Redis, Kafka and PostgreSQL about each sale, while the sales run. Writes nothing.

mod comparison;
mod findings;
mod payments;
mod sale_checks;
mod table;
#[cfg(test)]
mod tests;

use comparison::Comparison;
pub use findings::Findings;
pub use table::table;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_gate::{SaleKeys, Snapshot};
use fluxgate_ledger::OrderRow;
use jiff::Timestamp;

use crate::{Stores, Undecided};

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

/// Sales whose snapshots are held at once, and the orders in the outboxes among them: what bounds the memory of an audit.
const SALES_MAX: usize = 1_000;
const OUTBOX_ORDERS_MAX: usize = 500_000;

/// A sale whose snapshot in Redis was taken, before Kafka and PostgreSQL are read.
struct SaleSnapshot {
    product: ProductId,
    keys: SaleKeys,
    partition: i32,
    snapshot: Option<Snapshot>,
    /// Whether a relay looks at its outbox, and its holds can expire, if there are any.
    is_indexed: bool,
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
    let skips_retired = !include_retired && products.is_empty();
    let deadline = Instant::now() + patience;
    let mut audited = Audited {
        findings: Vec::new(),
        skipped: 0,
    };
    let indexed = indexed(stores).await?;
    let mut taken = Vec::new();
    let mut orders = 0;
    for (product, place) in stores.sales(products).await? {
        let Some(place) = place else {
            audited.findings.push(Findings::unknown(product));
            continue;
        };
        let keys = place.keys(&product);
        let snapshot = stores.gate.snapshot(&keys).await?;
        if snapshot.is_none() && skips_retired && place.was_over(retired) {
            audited.skipped += 1;
            continue;
        }
        orders += snapshot.as_ref().map_or(0, |it| it.orders.len());
        let has_work = |it: &Snapshot| it.waiting > 0 || it.holds > 0;
        let needs_index = snapshot.as_ref().is_some_and(has_work);
        // The sale may have come into the index with the entries.
        let is_indexed = !needs_index
            || indexed.contains(&product)
            || self::indexed(stores).await?.contains(&product);
        taken.push(SaleSnapshot {
            snapshot,
            is_indexed,
            partition: place.partition,
            keys,
            product,
        });
        if taken.len() >= SALES_MAX || orders >= OUTBOX_ORDERS_MAX {
            compare(stores, std::mem::take(&mut taken), deadline, &mut audited).await?;
            orders = 0;
        }
    }
    compare(stores, taken, deadline, &mut audited).await?;
    let findings = &mut audited.findings;
    findings.sort_by(|a, b| a.product.as_str().cmp(b.product.as_str()));
    Ok(audited)
}

/// The sales whose outboxes a relay looks at.
async fn indexed(stores: &Stores) -> Result<BTreeSet<ProductId>, Undecided> {
    let indexed = stores.gate.indexed().await?;
    Ok(indexed.into_iter().map(|sale| sale.product).collect())
}

/// Reads Kafka and PostgreSQL about these sales, and compares.
async fn compare(
    stores: &mut Stores,
    sales: Vec<SaleSnapshot>,
    deadline: Instant,
    audited: &mut Audited,
) -> Result<(), Undecided> {
    let behind = behind(stores, &sales, deadline).await?;
    for sale in sales {
        let is_whole = sale.snapshot.as_ref().is_some_and(|it| !it.is_lost);
        let mut unheld = Vec::new();
        let (written, mut orders) = stores.ledger.read_sale(&sale.product).await?;
        let mut comparison = Comparison::new(sale.product.clone(), sale.snapshot, written);
        loop {
            let page = orders.next().await?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|order| comparison.add(order));
            if is_whole {
                let confirmed = confirmed(&page);
                unheld.extend(stores.gate.find_unheld(&sale.keys, &confirmed).await?);
            }
        }
        // `None` if a rebuild has begun.
        let now = stores.gate.sale(&sale.product).await?;
        let now = now.map(|view| view.number);
        let mut found = comparison.finish(now, Timestamp::now());
        if !unheld.is_empty() {
            found.note_unheld(&unheld);
        }
        if !sale.is_indexed {
            found.note_unrelayed();
        }
        if let Some(late) = behind.get(&sale.partition) {
            found.note_behind(late);
        }
        audited.findings.push(found);
    }
    Ok(())
}

/// The orders that have their units, and have not been paid.
fn confirmed(orders: &[OrderRow]) -> Vec<OrderId> {
    let confirmed = orders
        .iter()
        .filter(|order| order.facts.status() == OrderStatus::Confirmed);
    confirmed.map(|order| order.id).collect()
}

/// The partitions that PostgreSQL has not reached the current end of in time, or that are halted, with the reason.
async fn behind(
    stores: &Stores,
    sales: &[SaleSnapshot],
    deadline: Instant,
) -> Result<HashMap<i32, Undecided>, Undecided> {
    let partitions: BTreeSet<i32> = sales.iter().map(|sale| sale.partition).collect();
    let mut behind = HashMap::new();
    for partition in partitions {
        let left = deadline.saturating_duration_since(Instant::now());
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
