//! Who fits into the ledger, order by order. Pure.

use std::collections::{HashMap, HashSet};

use fluxgate_core::events::OrderReserved;
use uuid::Uuid;

/// A ledger row while a batch is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Units for sale.
    pub total: i64,
    /// Units sold so far.
    pub sold: i64,
    /// The offset of the opening, if it stands in this very batch.
    pub opened_at_offset: Option<i64>,
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has its units.
    Confirmed,
    /// It has a row that says why not.
    Rejected(&'static str),
}

/// What a batch does to one ledger row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Units confirmed.
    pub units: i64,
    /// Orders written, rejected ones too.
    pub orders: i64,
    /// The highest number, `epoch << 32 | sequence`.
    pub highest: i64,
}

/// Decides each new order in offset order: it fits, or it is rejected. Orders in `known` have their
/// row already and are left out, and so is the second of two in the batch.
pub fn settle<'a>(
    orders: &[(i64, &'a OrderReserved)],
    known: &HashSet<Uuid>,
    rooms: &mut HashMap<String, Room>,
) -> (Vec<(&'a OrderReserved, Outcome)>, HashMap<String, Count>) {
    let mut seen = HashSet::new();
    let mut settled = Vec::new();
    let mut counts: HashMap<String, Count> = HashMap::new();
    for &(offset, order) in orders {
        let id = order.order_id.as_uuid();
        if known.contains(&id) || !seen.insert(id) {
            continue;
        }
        let product = order.product_id.as_str();
        let Some(room) = rooms
            .get_mut(product)
            .filter(|room| room.opened_at_offset.is_none_or(|opened| opened < offset))
        else {
            settled.push((order, Outcome::Rejected("unknown_sale")));
            continue;
        };
        let units = i64::from(order.quantity);
        let count = counts.entry(product.to_owned()).or_default();
        let number = i64::from(order.epoch) << 32 | i64::from(order.sequence);
        count.orders += 1;
        count.highest = count.highest.max(number);
        let outcome = if room.sold + units <= room.total {
            room.sold += units;
            count.units += units;
            Outcome::Confirmed
        } else {
            Outcome::Rejected("oversold")
        };
        settled.push((order, outcome));
    }
    (settled, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fluxgate_core::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
    use proptest::prelude::*;

    fn order(key: u32, quantity: i64) -> OrderReserved {
        let product = ProductId::parse("p").unwrap();
        let user = UserId::parse("u").unwrap();
        let idempotency_key = IdempotencyKey::parse(&key.to_string()).unwrap();
        OrderReserved {
            order_id: OrderId::derive(&product, Tag::of(&product), 1, &user, &idempotency_key),
            product_id: product,
            user_id: user,
            quantity: quantity.try_into().unwrap(),
            epoch: 1,
            sequence: key,
            placed_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn room(total: i64) -> HashMap<String, Room> {
        let room = Room {
            total,
            sold: 0,
            opened_at_offset: None,
        };
        HashMap::from([("p".to_owned(), room)])
    }

    /// Settles in batches of `size`, keeping what was written between them.
    fn in_batches(orders: &[OrderReserved], size: usize, total: i64) -> Vec<(Uuid, Outcome)> {
        let (mut rooms, mut known, mut all) = (room(total), HashSet::new(), Vec::new());
        let numbered: Vec<_> = (0..).zip(orders).collect();
        for batch in numbered.chunks(size) {
            let (settled, counts) = settle(batch, &known, &mut rooms);
            let new = settled
                .iter()
                .map(|(order, outcome)| (order.order_id.as_uuid(), *outcome));
            all.extend(new);
            known.extend(all.iter().map(|(id, _)| *id));
            assert!(counts.values().all(|count| count.orders >= 1));
        }
        assert!(rooms["p"].sold <= total);
        all
    }

    proptest! {
        #[test]
        fn the_outcome_does_not_depend_on_how_the_log_was_batched(
            asked in prop::collection::vec((0u32..30, 1i64..5), 0..60),
            size in 1usize..20,
            total in 1i64..80,
        ) {
            let orders: Vec<_> = asked.iter().map(|(key, units)| order(*key, *units)).collect();
            prop_assert_eq!(in_batches(&orders, size, total), in_batches(&orders, 1, total));
        }
    }

    #[test]
    fn an_order_that_stands_before_its_opening_is_of_no_known_sale() {
        let (early, late) = (order(1, 1), order(2, 1));
        let mut rooms = room(10);
        rooms.get_mut("p").unwrap().opened_at_offset = Some(5);
        let orders = [(4, &early), (6, &late)];
        let (settled, counts) = settle(&orders, &HashSet::new(), &mut rooms);
        assert_eq!(settled[0].1, Outcome::Rejected("unknown_sale"));
        assert_eq!(settled[1].1, Outcome::Confirmed);
        assert_eq!(
            counts["p"].orders, 1,
            "only orders of a known sale are counted"
        );
    }
}
