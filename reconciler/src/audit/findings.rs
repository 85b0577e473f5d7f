//! Compares the stores about one sale. Pure.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{OrderStatus, SequenceNumber};
use fluxgate_gate::{Snapshot, State};
use fluxgate_ledger::{OrderRow, WrittenSale};
use jiff::Timestamp;

use super::Outcome;
use crate::Undecided;

/// The result of an audit for one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The product of the sale.
    pub product: ProductId,
    /// Its state in Redis: opening, open, closed, rebuilding, gone.
    pub state: &'static str,
    /// Units for sale, from Redis; from the ledger if Redis does not have the sale.
    pub total: i64,
    /// Units that are not sold, from Redis.
    pub remaining: i64,
    /// Entries in the outbox.
    pub outbox: u64,
    /// Units of confirmed orders.
    pub confirmed: i64,
    /// Orders cancelled.
    pub cancelled: usize,
    /// Orders rejected. They hold no units, because Redis had lost data.
    pub rejected: usize,
    /// Dead letters with a number of this sale.
    pub dead_letters: usize,
    /// Numbers of the current epoch that no store has.
    pub missing: i64,
    /// Numbers of earlier epochs that no store has: lost before the sale was rebuilt.
    pub lost_before: i64,
    /// What is wrong, one sentence each.
    pub objections: Vec<String>,
    /// Whether some of it is wrong whatever is still on its way to PostgreSQL.
    pub proven: bool,
    /// Why the result is undecided, one sentence each.
    pub doubts: Vec<String>,
}

impl Findings {
    /// Compares a snapshot of Redis with the rows that PostgreSQL had later. `now` is the highest number in Redis after
    /// that: if it is below PostgreSQL's, Redis has lost writes.
    pub fn compare(
        product: ProductId,
        then: &Snapshot,
        written: &WrittenSale,
        now: Option<SequenceNumber>,
    ) -> Self {
        let mut found = Self {
            state: then.state.as_str(),
            total: then.total,
            remaining: then.remaining,
            outbox: then.waiting,
            ..Self::written(product, written)
        };
        match then.state {
            State::Opening => found.doubt("its opening is not on Kafka yet".to_owned()),
            State::Rebuilding => {
                found.object(
                    "it is being rebuilt, or a rebuild did not finish: run it again".into(),
                );
            }
            State::Open | State::Closed => {
                found.check_numbers(then, written);
                found.check_units(then, written);
                found.check_high_water_mark(now, written);
            }
        }
        if then.unreadable > 0 {
            let count = then.unreadable;
            found.object(format!(
                "{count} outbox entries whose record Redis has lost"
            ));
        }
        found
    }

    /// The result for a sale that Redis does not have.
    pub fn without_redis(product: ProductId, written: &WrittenSale, now: Timestamp) -> Self {
        let mut found = Self::written(product, written);
        let closes_at = written.sale.as_ref().and_then(|sale| sale.closes_at);
        let by_hand = written
            .changes
            .iter()
            .any(|it| it.kind == ChangeKind::Close);
        if !by_hand && closes_at.is_none_or(|at| at > now) {
            found.object("Redis has lost it: rebuild it".to_owned());
        }
        found
    }

    /// The result for a product that no store knows.
    pub fn unknown(product: ProductId) -> Self {
        let mut found = Self::written(product, &WrittenSale::default());
        found.objections = vec!["no store knows this product".to_owned()];
        found
    }

    /// Adds why PostgreSQL has not reached the end of the sale's partition.
    pub fn note_behind(&mut self, why: &Undecided) {
        match why {
            Undecided::Shorter { .. } | Undecided::Halted { .. } => self.prove(why.to_string()),
            _ => self.doubt(why.to_string()),
        }
    }

    /// The conclusion. A doubt outweighs objections, because the next audit may see more; it does not outweigh a proof.
    pub fn outcome(&self) -> Outcome {
        if self.proven {
            Outcome::Wrong
        } else if !self.doubts.is_empty() {
            Outcome::Undecided
        } else if !self.objections.is_empty() {
            Outcome::Wrong
        } else {
            Outcome::Right
        }
    }

    /// Adds an objection that records on their way to PostgreSQL cannot refute.
    fn prove(&mut self, objection: String) {
        self.proven = true;
        self.object(objection);
    }

    /// Adds an objection that records on their way to PostgreSQL may refute.
    fn object(&mut self, objection: String) {
        self.objections.push(objection);
    }

    /// Adds a reason why the result is undecided.
    fn doubt(&mut self, doubt: String) {
        self.doubts.push(doubt);
    }

    /// What the rows in PostgreSQL tell without Redis.
    fn written(product: ProductId, written: &WrittenSale) -> Self {
        let orders_with = |status| {
            let orders = written.orders.iter();
            orders.filter(|order| order.status == status).count()
        };
        let mut found = Self {
            product,
            state: "gone",
            total: written.sale.as_ref().map_or(0, |sale| sale.total),
            remaining: 0,
            outbox: 0,
            confirmed: written.confirmed_units(),
            cancelled: orders_with(OrderStatus::Cancelled),
            rejected: orders_with(OrderStatus::Rejected),
            dead_letters: written.dead_letters.len(),
            missing: 0,
            lost_before: 0,
            objections: Vec::new(),
            proven: false,
            doubts: Vec::new(),
        };
        match &written.sale {
            None => found.object("PostgreSQL does not know the sale".to_owned()),
            Some(sale) => {
                let (sold, confirmed) = (sale.sold, found.confirmed);
                if sold != confirmed {
                    found.prove(format!(
                        "the ledger counts {sold} units sold, its confirmed orders add up to {confirmed}"
                    ));
                }
                if confirmed > sale.total {
                    let total = sale.total;
                    found.prove(format!("oversold: {confirmed} units of {total}"));
                }
            }
        }
        found
    }

    /// Every number up to the snapshot's stands for exactly one order, cancel or change.
    fn check_numbers(&mut self, then: &Snapshot, written: &WrittenSale) {
        let now = then.number;
        let orders = written.orders.iter();
        let numbers = orders
            .flat_map(|order| [Some(order.number), order.cancel])
            .flatten()
            .chain(written.changes.iter().map(|change| change.number));
        let mut seen = HashSet::new();
        // Numbers used twice before a rebuild are no longer an error.
        let used_twice = numbers
            .filter(|number| !seen.insert(*number) && number.epoch == now.epoch)
            .count();
        if used_twice > 0 {
            self.prove(format!(
                "{used_twice} numbers are used twice: Redis has lost writes"
            ));
        }
        seen.extend(then.effects.iter().chain(&then.order_numbers));
        seen.extend(written.dead_letters.iter().map(|letter| letter.number));

        let mut epochs: HashMap<u32, (i64, i64)> = HashMap::new();
        for number in seen.iter().filter(|n| **n <= now && !n.is_opening()) {
            let (count, highest) = epochs.entry(number.epoch).or_default();
            *count += 1;
            *highest = (*highest).max(number.sequence.into());
        }
        let (count, _) = epochs.remove(&now.epoch).unwrap_or_default();
        self.missing = i64::from(now.sequence) - count;
        if self.missing > 0 {
            let missing = self.missing;
            self.object(format!(
                "{missing} numbers are neither written, nor dead letters, nor in the outbox"
            ));
        }
        let earlier = epochs.values().map(|(count, highest)| highest - count);
        self.lost_before = earlier.sum();
    }

    /// Every unit gone from Redis is held by an order, and every order's units are gone from Redis.
    fn check_units(&mut self, then: &Snapshot, written: &WrittenSale) {
        let is_returned = |cancel: Option<SequenceNumber>| {
            cancel.is_some_and(|cancel| cancel <= then.number && !then.holds(cancel))
        };
        let holds = |order: &&OrderRow| match order.status {
            OrderStatus::Rejected => false,
            _ => order.number <= then.number && !is_returned(order.cancel),
        };
        let rows = written.orders.iter().filter(holds);
        let mut held: i64 = rows.map(|order| order.quantity).sum();

        let rows: HashSet<OrderId> = written.orders.iter().map(|order| order.id).collect();
        for (id, record) in &then.orders {
            if !rows.contains(id) && !is_returned(record.cancel.map(|cancel| cancel.number)) {
                held += i64::from(record.quantity);
            }
        }
        // An order that became a dead letter holds its units, unless it was cancelled.
        let cancelled = |order: Option<OrderId>| {
            let mut letters = written.dead_letters.iter();
            letters.any(|other| other.quantity == 0 && other.order == order)
        };
        let unwritten = written.dead_letters.iter().filter(|letter| {
            let is_new = letter.order.is_some_and(|id| !rows.contains(&id));
            is_new && letter.number <= then.number && !cancelled(letter.order)
        });
        held += unwritten.map(|letter| letter.quantity).sum::<i64>();
        let gone = then.total - then.remaining;
        if gone > held {
            let stranded = gone - held;
            self.object(format!(
                "stranded: {stranded} units are gone from Redis and not sold"
            ));
        }
        if gone < held {
            let offered = held - gone;
            self.object(format!(
                "{offered} units are sold and still offered by Redis"
            ));
        }

        let later = written.changes.iter().filter(|change| {
            change.kind == ChangeKind::Restock
                && (change.number > then.number || then.holds(change.number))
        });
        let later: i64 = later.map(|change| change.units).sum();
        let total = written.sale.as_ref().map_or(0, |sale| sale.total - later);
        if total != then.total {
            let seen = then.total;
            self.object(format!(
                "Redis has a total of {seen} units, the ledger {total}"
            ));
        }
    }

    /// Redis is not behind PostgreSQL.
    fn check_high_water_mark(&mut self, now: Option<SequenceNumber>, written: &WrittenSale) {
        let written = written.sale.as_ref();
        let written = written.map_or(SequenceNumber::default(), |sale| sale.highest);
        match now {
            None => self.doubt("a rebuild has begun".to_owned()),
            Some(now) if now < written => self.prove(format!(
                "Redis is at {now}, PostgreSQL at {written}: Redis has lost writes; rebuild it"
            )),
            Some(_) => {}
        }
    }
}
