use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{EntryContent, OUTBOX_PAGE_MAX, OutboxEntry, SaleKeys};
use futures_util::future::try_join_all;

use crate::{Stores, Undecided};

/// The highest possible number.
const ALL: SequenceNumber = SequenceNumber {
    epoch: u32::MAX,
    sequence: u32::MAX,
};

/// Publishes the outbox of a stopped sale, as the outbox relay would; relays may do the same meanwhile. Returns the number of
/// events.
///
/// An entry whose record is lost cannot be published: it stays until the sale's keys are removed.
pub async fn drain(
    stores: &Stores,
    product: &ProductId,
    keys: &SaleKeys,
    partition: i32,
) -> Result<usize, Undecided> {
    let (mut drained, mut after) = (0, None);
    loop {
        let page = stores
            .gate
            .read_outbox(keys, after, ALL, OUTBOX_PAGE_MAX)
            .await?;
        let Some(last) = page.entries.last() else {
            return Ok(drained);
        };
        after = Some(last.number);
        let events: Vec<(SequenceNumber, Event)> = page
            .entries
            .iter()
            .filter_map(|entry| Some((entry.number, event(product, entry)?)))
            .collect();
        let sent = events
            .iter()
            .map(|(_, event)| stores.log.append(partition, event));
        try_join_all(sent).await?;
        for (number, event) in &events {
            let makes_room = event.makes_room();
            stores.gate.ack(keys, *number, makes_room).await?;
        }
        drained += events.len();
    }
}

/// The event of an entry; `None` if the record is lost, and for the opening: PostgreSQL has the sale, so its opening is on
/// Kafka.
fn event(product: &ProductId, entry: &OutboxEntry) -> Option<Event> {
    match &entry.content {
        EntryContent::Order(id, record) => Some(Event::OrderReserved(record.event(*id, product))),
        EntryContent::Cancel(id, record) => record
            .cancelled_event(*id, product)
            .map(Event::OrderCancelled),
        EntryContent::Restock(id, restock) => {
            Some(Event::SaleRestocked(restock.event(*id, product)))
        }
        EntryContent::Closing(closing) => Some(Event::SaleClosed(closing.event(product))),
        EntryContent::Opening | EntryContent::Unreadable => None,
    }
}
