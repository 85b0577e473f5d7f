//! Publishes the records in Redis that PostgreSQL lacks. Needed after Kafka has lost records; harmless at any
//! other time, because every order and change is written once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_gate::Records;
use fluxgate_ledger::{OrderRow, WrittenSale};

use crate::flow::Place;
use crate::{Stores, Undecided};

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
        done.events += republish_opening(stores, product, place.partition).await?;
    }
    for (product, place) in &sales {
        done.sales += 1;
        done.events += republish_sale(stores, product, place).await?;
    }
    Ok(done)
}

async fn republish_opening(
    stores: &Stores,
    product: &ProductId,
    partition: i32,
) -> Result<usize, Undecided> {
    if stores.ledger.sale(product).await?.is_some() {
        return Ok(0);
    }
    // A sale that is still opening has its opening in the outbox.
    let view = stores.gate.sale(product).await?;
    let Some(view) = view.filter(|view| !view.opening) else {
        return Ok(0);
    };
    let event = Event::SaleOpened(view.opened_event());
    stores.log.append(partition, &event).await?;
    Ok(1)
}

async fn republish_sale(
    stores: &mut Stores,
    product: &ProductId,
    place: &Place,
) -> Result<usize, Undecided> {
    let keys = place.keys(product);
    let records = stores.gate.records(&keys).await?;
    let snapshot = stores.gate.snapshot(&keys).await?;
    let written = stores.ledger.written(product).await?;
    let waits = |number| snapshot.as_ref().is_some_and(|it| it.holds(number));
    let events = lacking(product, &records, waits, &written);
    stores.log.append_all(place.partition, &events).await?;
    Ok(events.len())
}

/// The events of the records that PostgreSQL lacks and that no outbox entry will publish.
pub fn lacking(
    product: &ProductId,
    records: &Records,
    waits: impl Fn(SequenceNumber) -> bool,
    written: &WrittenSale,
) -> Vec<Event> {
    let rows: HashMap<OrderId, &OrderRow> =
        written.orders.iter().map(|row| (row.id, row)).collect();
    let changes: HashSet<&str> = written.changes.iter().map(|row| row.id.as_str()).collect();
    let dead_letters = written.dead_letters.iter().map(|letter| letter.number);
    let dead_letters: HashSet<SequenceNumber> = dead_letters.collect();
    let is_sent = |number: SequenceNumber| waits(number) || dead_letters.contains(&number);

    let mut events: Vec<(SequenceNumber, Event)> = Vec::new();
    for (&id, record) in &records.orders {
        let row = rows.get(&id);
        if row.is_none() && !is_sent(record.number) {
            let event = Event::OrderReserved(record.event(id, product));
            events.push((record.number, event));
        }
        let cancel = record.cancel.filter(|cancel| !is_sent(cancel.number));
        if let Some(cancel) = cancel
            && row.is_none_or(|row| row.cancel.is_none())
            && let Some(event) = record.cancelled_event(id, product)
        {
            events.push((cancel.number, Event::OrderCancelled(event)));
        }
    }
    for (&id, restock) in &records.restocks {
        if !changes.contains(id.to_string().as_str()) && !is_sent(restock.number) {
            let event = Event::SaleRestocked(restock.event(id, product));
            events.push((restock.number, event));
        }
    }
    if let Some(closing) = records.closing
        && !changes.contains("close")
        && !is_sent(closing.number)
    {
        events.push((closing.number, Event::SaleClosed(closing.event(product))));
    }
    // In the order of their numbers: events that make room precede events that use it.
    events.sort_by_key(|(number, _)| *number);
    events.into_iter().map(|(_, event)| event).collect()
}
