//! Publishes the records in Redis that PostgreSQL lacks. Needed after Kafka has lost records; harmless at any
//! other time, because every order and change is written once.

use std::collections::BTreeSet;
use std::time::Duration;

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{OrderId, ProductId};

use crate::flow::Place;
use crate::unwritten::{Lacking, Unwritten, unwritten_opening};
use crate::{Stores, Undecided};

/// Events published at once.
const PAGE: usize = 500;

/// The result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Republished {
    /// Sales checked.
    pub sales: usize,
    /// Events published.
    pub events: usize,
}

/// Publishes what PostgreSQL lacks of these sales, or of all sales.
///
/// # Errors
/// When a store does not answer, the workers do not write what is already on Kafka, or a partition is halted.
pub async fn republish(
    stores: &mut Stores,
    products: &[ProductId],
    patience: Duration,
) -> Result<Republished, Undecided> {
    let mut done = Republished::default();
    let sales = stores.sales(products).await?;
    let known = sales.into_iter();
    // A product that no store has lacks nothing.
    let sales: Vec<(ProductId, Place)> = known
        .filter_map(|(product, place)| Some((product, place?)))
        .collect();
    let partitions: BTreeSet<i32> = sales.iter().map(|(_, place)| place.partition).collect();
    for partition in partitions {
        stores.until_all_written(partition, patience).await?;
    }
    // Openings first: orders of an unknown sale would be rejected.
    for (product, place) in &sales {
        if let Some(opening) = unwritten_opening(stores, product).await? {
            stores.log.append(place.partition, &opening).await?;
            done.events += 1;
        }
    }
    for (product, place) in &sales {
        done.sales += 1;
        done.events += republish_sale(stores, product, place).await?;
    }
    Ok(done)
}

async fn republish_sale(
    stores: &mut Stores,
    product: &ProductId,
    place: &Place,
) -> Result<usize, Undecided> {
    let keys = place.keys(product);
    let mut unwritten = Unwritten::of(stores.gate.records(&keys).await?);
    let snapshot = stores.gate.snapshot(&keys).await?;
    let written = unwritten
        .remove_written(&mut stores.ledger, product)
        .await?;
    let waits = |number| snapshot.as_ref().is_some_and(|it| it.holds(number));
    let lacking = unwritten.lacking(waits, &written);
    let mut published = 0;
    for page in lacking.chunks(PAGE) {
        let ids: Vec<OrderId> = page.iter().filter_map(Lacking::order).collect();
        let records = stores.gate.order_records(&keys, &ids).await?;
        let event = |lacking: &Lacking| unwritten.event(product, lacking.subject, &records);
        let events: Vec<Event> = page.iter().filter_map(event).collect();
        stores.log.append_all(place.partition, &events).await?;
        published += events.len();
    }
    Ok(published)
}
