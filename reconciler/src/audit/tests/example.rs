//! A consistent sale, for a test to change.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use fluxgate_domain::order_facts::{Cancel, CancelledBy, Decision, RejectReason};
use fluxgate_domain::records::OrderRecord;
use fluxgate_domain::{NumberSet, OrderFacts, SequenceNumber};
use fluxgate_gate::{OutboxOrder, Snapshot, State};
use fluxgate_ledger::{ChangeRow, LedgerRow, OrderRow, WrittenSale};
use jiff::Timestamp;

use crate::audit::{Comparison, Findings};

pub fn product() -> ProductId {
    ProductId::parse("p").unwrap()
}

pub fn number(sequence: u32) -> SequenceNumber {
    SequenceNumber::new(1, sequence)
}

pub fn id(sequence: u32) -> OrderId {
    let user = UserId::parse("u").unwrap();
    let key = IdempotencyKey::parse(&sequence.to_string()).unwrap();
    OrderId::derive(&product(), Tag::of(&product()), 1, &user, &key)
}

pub const CONFIRMED: OrderFacts = OrderFacts::of(Decision::Confirmed);
pub const REJECTED: OrderFacts = OrderFacts::of(Decision::Rejected(RejectReason::Oversold));

pub fn cancelled(sequence: u32) -> OrderFacts {
    let (number, by) = (number(sequence), CancelledBy::Shop);
    OrderFacts {
        cancel: Some(Cancel { number, by }),
        ..CONFIRMED
    }
}

pub fn order(sequence: u32, facts: OrderFacts) -> OrderRow {
    OrderRow {
        id: id(sequence),
        user: "u".to_owned(),
        quantity: 2,
        number: number(sequence),
        placed_at: Timestamp::UNIX_EPOCH,
        facts,
    }
}

/// Three orders of two units; the second was cancelled (4), and three units were added (5).
pub struct Example {
    pub then: Snapshot,
    pub now: SequenceNumber,
    pub written: WrittenSale,
    pub orders: Vec<OrderRow>,
}

impl Example {
    pub fn new() -> Self {
        let restock = ChangeRow {
            id: "r".to_owned(),
            kind: ChangeKind::Restock,
            units: 3,
            number: number(5),
            at: Timestamp::UNIX_EPOCH,
            queue_settings: None,
        };
        Self {
            then: snapshot(number(5)),
            now: number(5),
            written: WrittenSale {
                sale: Some(LedgerRow {
                    product: product(),
                    total: 13,
                    sold: 4,
                    completed: 0,
                    opens_at: Timestamp::UNIX_EPOCH,
                    id_time: Timestamp::UNIX_EPOCH,
                    closes_at: None,
                    ends_at: None,
                    per_user_limit: None,
                    highest: number(5),
                    fenced_epoch: 0,
                    written: 3,
                    partition: 0,
                    terms: None,
                    queue_joined: None,
                }),
                changes: vec![restock],
                dead_letters: Vec::new(),
            },
            orders: vec![
                order(1, CONFIRMED),
                order(2, cancelled(4)),
                order(3, CONFIRMED),
            ],
        }
    }

    pub fn findings(&self) -> Findings {
        self.compared(Some(self.then.clone()), Some(self.now))
    }

    pub fn compared(&self, then: Option<Snapshot>, now: Option<SequenceNumber>) -> Findings {
        let mut comparison = Comparison::new(product(), then, self.written.clone());
        self.orders.iter().for_each(|order| comparison.add(order));
        comparison.finish(now, Timestamp::UNIX_EPOCH)
    }

    pub fn objections(&self) -> Vec<String> {
        self.findings().objections
    }

    pub fn wait_for_order(&mut self, sequence: u32, record: &str) {
        self.then.order_numbers.insert(number(sequence));
        let record: OrderRecord = record.parse().unwrap();
        let order = OutboxOrder {
            number: record.number,
            quantity: record.quantity,
            cancel: record.cancel.map(|cancel| cancel.number),
        };
        self.then.orders.insert(id(sequence), order);
    }

    pub fn sale(&mut self) -> &mut LedgerRow {
        self.written.sale.as_mut().unwrap()
    }
}

pub fn snapshot(number: SequenceNumber) -> Snapshot {
    Snapshot {
        state: State::Open,
        number,
        total: 13,
        remaining: 9,
        completed: 0,
        holds: 0,
        waiting: 0,
        effects: HashSet::new(),
        unchecked_effects: 0,
        orders: HashMap::new(),
        order_numbers: NumberSet::default(),
        completions: HashSet::new(),
        unreadable: 0,
        is_lost: false,
        terms: None,
        queue_start: None,
        queue_change: None,
    }
}
