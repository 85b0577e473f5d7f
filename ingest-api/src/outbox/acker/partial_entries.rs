use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;

use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{AckedEvent, OutboxEntry};

use crate::sales::Sale;

/// Shared entries of which Kafka has acknowledged some orders and not all. Each is kept for the rest of its round and for the
/// next one, so there are at most as many as two rounds have orders.
#[derive(Default)]
pub struct PartialEntries {
    this_round: Entries,
    last_round: Entries,
}

/// By the address of the sale, which the entry keeps alive, and the entry id.
type Entries = HashMap<(usize, SequenceNumber), PartialEntry>;

struct PartialEntry {
    sale: Arc<Sale>,
    /// A bit for each order: whether it is acknowledged.
    acked: u64,
    /// Those that are.
    orders: Vec<AckedEvent>,
}

impl PartialEntries {
    /// Whether no order of any entry is missing.
    pub fn is_empty(&self) -> bool {
        self.this_round.is_empty() && self.last_round.is_empty()
    }

    /// Adds an acknowledged order of a shared entry; true if it was the last one that was missing.
    pub fn add(&mut self, sale: &Arc<Sale>, entry: OutboxEntry, order: AckedEvent) -> bool {
        let key = (Arc::as_ptr(sale).addr(), entry.id);
        let entries = match self.last_round.contains_key(&key) {
            true => &mut self.last_round,
            false => &mut self.this_round,
        };
        let partial = entries.entry(key).or_insert_with(|| PartialEntry {
            sale: Arc::clone(sale),
            acked: 0,
            orders: Vec::new(),
        });
        let bit = 1 << (order.number.sequence - entry.id.sequence);
        if partial.acked & bit == 0 {
            partial.acked |= bit;
            partial.orders.push(order);
        }
        let is_complete = partial.acked.count_ones() == u32::from(entry.events);
        if is_complete {
            entries.remove(&key);
        }
        is_complete
    }

    /// Ends a round: the acknowledged orders whose entries have been incomplete since the round before.
    pub fn end_round(&mut self) -> Vec<(Arc<Sale>, AckedEvent)> {
        let ended = std::mem::replace(&mut self.last_round, take(&mut self.this_round));
        let orders = ended.into_values().flat_map(PartialEntry::into_orders);
        orders.collect()
    }
}

impl PartialEntry {
    fn into_orders(self) -> impl Iterator<Item = (Arc<Sale>, AckedEvent)> {
        let Self { sale, orders, .. } = self;
        orders
            .into_iter()
            .map(move |order| (Arc::clone(&sale), order))
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::{ProductId, Tag};
    use fluxgate_gate::SaleFacts;
    use jiff::Timestamp;

    use super::*;

    fn sale() -> Arc<Sale> {
        let product = ProductId::parse("p").unwrap();
        let facts = SaleFacts {
            tag: Tag::of(&product),
            product,
            opens_at: Timestamp::UNIX_EPOCH,
            id_time: Timestamp::UNIX_EPOCH,
            closes_at: None,
            per_user_limit: None,
            has_holds: false,
            has_queue: false,
            is_limited: false,
            partition: 0,
        };
        Arc::new(Sale::new(facts, SequenceNumber::default()))
    }

    const fn entry(first: u32, events: u8) -> OutboxEntry {
        OutboxEntry {
            id: SequenceNumber::new(1, first),
            events,
        }
    }

    fn add(partial: &mut PartialEntries, sale: &Arc<Sale>, entry: OutboxEntry, order: u32) -> bool {
        partial.add(sale, entry, SequenceNumber::new(1, order).into())
    }

    fn ended(partial: &mut PartialEntries) -> Vec<u32> {
        let orders = partial.end_round().into_iter();
        orders.map(|(_, order)| order.number.sequence).collect()
    }

    #[test]
    fn an_entry_is_complete_with_its_last_order_in_this_round_or_the_next() {
        let (mut partial, other, sale) = (PartialEntries::default(), sale(), sale());
        let full = entry(7, 64);
        assert!(!(7..70).any(|order| add(&mut partial, &sale, full, order)));
        assert!(!add(&mut partial, &other, full, 70), "of another sale");
        assert!(!add(&mut partial, &sale, full, 7), "again");
        assert!(ended(&mut partial).is_empty());
        assert!(add(&mut partial, &sale, full, 70));
        assert_eq!(ended(&mut partial), [70]);
        assert!(partial.is_empty());
    }

    #[test]
    fn orders_of_an_entry_that_stays_incomplete_for_a_round_are_acknowledged_alone() {
        let (mut partial, sale) = (PartialEntries::default(), sale());
        add(&mut partial, &sale, entry(1, 4), 1);
        assert!(ended(&mut partial).is_empty());
        add(&mut partial, &sale, entry(1, 4), 3);
        assert_eq!(ended(&mut partial), [1, 3]);
        assert!(partial.is_empty());
        // One that comes later waits for the others in vain.
        add(&mut partial, &sale, entry(1, 4), 2);
        assert!(ended(&mut partial).is_empty());
        assert_eq!(ended(&mut partial), [2]);
    }
}
