//! Compares the stores about one sale, whose orders arrive row by row. Pure.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSet, OrderStatus, SequenceNumber};
use fluxgate_gate::{OutboxOrder, Snapshot, State};
use fluxgate_ledger::{ChangeRow, DeadLetter, OrderRow, WrittenSale};
use jiff::Timestamp;

use super::Findings;

/// A snapshot of Redis, and the rows that PostgreSQL had later. Keeps a bit of each order row.
pub struct Comparison {
    product: ProductId,
    /// `None` if Redis does not have the sale.
    then: Option<Snapshot>,
    written: WrittenSale,
    /// Of orders, cancels and changes in PostgreSQL.
    numbers: NumberSet,
    /// Numbers that stood for something else already, in the epoch of the snapshot.
    used_twice: usize,
    confirmed_units: i64,
    cancelled: usize,
    rejected: usize,
    /// Units that orders in PostgreSQL held when the snapshot was taken.
    held_units: i64,
    /// Orders of dead letters without a row.
    unwritten_letters: HashSet<OrderId>,
}

impl Comparison {
    /// A comparison that has seen no order row yet.
    pub fn new(product: ProductId, then: Option<Snapshot>, written: WrittenSale) -> Self {
        let letters = written.dead_letters.iter();
        let mut new = Self {
            product,
            then,
            numbers: NumberSet::default(),
            used_twice: 0,
            confirmed_units: 0,
            cancelled: 0,
            rejected: 0,
            held_units: 0,
            unwritten_letters: letters.filter_map(|letter| letter.order).collect(),
            written,
        };
        let changes: Vec<_> = new.written.changes.iter().map(|it| it.number).collect();
        changes.into_iter().for_each(|number| new.count(number));
        new
    }

    /// Adds an order that PostgreSQL has.
    pub fn add(&mut self, order: &OrderRow) {
        self.count(order.number);
        if let Some(cancel) = order.cancel {
            self.count(cancel);
        }
        match order.status {
            OrderStatus::Confirmed => self.confirmed_units += order.quantity,
            OrderStatus::Cancelled => self.cancelled += 1,
            OrderStatus::Rejected => self.rejected += 1,
            _ => {}
        }
        self.unwritten_letters.remove(&order.id);
        if let Some(then) = &mut self.then {
            then.orders.remove(&order.id);
            let holds = order.status != OrderStatus::Rejected
                && order.number <= then.number
                && !is_returned(then, order.cancel);
            self.held_units += if holds { order.quantity } else { 0 };
        }
    }

    fn count(&mut self, number: SequenceNumber) {
        // A cancel after the sale left Redis has no number of its own.
        if number.sequence == 0 {
            return;
        }
        let is_new = self.numbers.insert(number);
        // Numbers used twice before a rebuild are no longer an error.
        let is_current = |then: &Snapshot| number.epoch == then.number.epoch;
        if !is_new && self.then.as_ref().is_some_and(is_current) {
            self.used_twice += 1;
        }
    }

    /// The result, once all orders are added. `now` is the highest number in Redis after that, `None` if a rebuild has
    /// begun: if it is below PostgreSQL's, Redis has lost writes. `clock` tells whether the sale is over.
    pub fn finish(mut self, now: Option<SequenceNumber>, clock: Timestamp) -> Findings {
        let mut found = self.without_redis();
        let Some(then) = self.then.take() else {
            self.check_absence(&mut found, clock);
            return found;
        };
        found.state = then.state.as_str();
        (found.total, found.remaining) = (then.total, then.remaining);
        found.outbox = then.waiting;
        match then.state {
            State::Opening => found.doubt("its opening is not on Kafka yet".to_owned()),
            State::Rebuilding => {
                found.object(
                    "it is being rebuilt, or a rebuild did not finish: run it again".into(),
                );
            }
            State::Open | State::Closed if then.unchecked_effects > 0 => {
                let count = then.unchecked_effects;
                found.doubt(format!(
                    "{count} changes wait for Kafka, too many to compare; audit it again when Kafka has them"
                ));
                self.check_high_water_mark(&mut found, now);
            }
            State::Open | State::Closed => {
                self.check_numbers(&mut found, &then);
                self.check_units(&mut found, &then);
                self.check_terms(&mut found, &then);
                self.check_high_water_mark(&mut found, now);
            }
        }
        if then.is_lost && then.state != State::Rebuilding {
            found.prove("Redis has lost one of its keys: rebuild it".to_owned());
        }
        if then.unreadable > 0 {
            let count = then.unreadable;
            found.object(format!(
                "{count} outbox entries whose record Redis has lost"
            ));
        }
        found
    }

    /// What the rows in PostgreSQL tell without Redis.
    fn without_redis(&self) -> Findings {
        let mut found = Findings {
            confirmed: self.confirmed_units,
            cancelled: self.cancelled,
            rejected: self.rejected,
            dead_letters: self.written.dead_letters.len(),
            ..Findings::none(self.product.clone())
        };
        let Some(sale) = &self.written.sale else {
            found.object("PostgreSQL does not know the sale".to_owned());
            return found;
        };
        found.total = sale.total;
        let (sold, confirmed, total) = (sale.sold, found.confirmed, sale.total);
        if sold != confirmed {
            found.prove(format!(
                "the ledger counts {sold} units sold, its confirmed orders add up to {confirmed}"
            ));
        }
        if confirmed > total {
            found.prove(format!("oversold: {confirmed} units of {total}"));
        }
        found
    }

    /// Redis may lack only a sale that is over.
    fn check_absence(&self, found: &mut Findings, clock: Timestamp) {
        let sale = self.written.sale.as_ref();
        let closes_at = sale.and_then(|sale| sale.closes_at);
        let mut changes = self.written.changes.iter();
        let by_hand = changes.any(|change| change.kind == ChangeKind::Close);
        if !by_hand && closes_at.is_none_or(|at| at > clock) {
            found.object("Redis has lost it: rebuild it".to_owned());
        }
    }

    /// Every number up to the snapshot's stands for exactly one order, cancel or change.
    fn check_numbers(&mut self, found: &mut Findings, then: &Snapshot) {
        let now = then.number;
        if self.used_twice > 0 {
            let count = self.used_twice;
            found.prove(format!(
                "{count} numbers are used twice: Redis has lost writes"
            ));
        }
        let mut seen = std::mem::take(&mut self.numbers);
        seen.extend(then.effects.iter().copied());
        seen.extend(then.order_numbers.iter());
        seen.extend(self.written.dead_letters.iter().map(|letter| letter.number));

        let mut epochs: HashMap<u32, (i64, i64)> = HashMap::new();
        for number in seen.iter().filter(|n| *n <= now && !n.is_opening()) {
            let (count, highest) = epochs.entry(number.epoch).or_default();
            *count += 1;
            *highest = (*highest).max(number.sequence.into());
        }
        let (count, _) = epochs.remove(&now.epoch).unwrap_or_default();
        found.missing = i64::from(now.sequence) - count;
        if found.missing > 0 {
            let missing = found.missing;
            found.object(format!(
                "{missing} numbers are neither written, nor dead letters, nor in the outbox"
            ));
        }
        let earlier = epochs.values().map(|(count, highest)| highest - count);
        found.lost_before = earlier.sum();
    }

    /// Every unit gone from Redis is held by an order, and every order's units are gone from Redis.
    fn check_units(&self, found: &mut Findings, then: &Snapshot) {
        // Those that PostgreSQL has are no longer among them.
        let waiting = then.orders.values();
        let waiting = waiting.filter(|order| !is_returned(then, order.cancel));
        let units = |order: &OutboxOrder| i64::from(order.quantity);
        let held = self.held_units + waiting.map(units).sum::<i64>() + self.units_of_letters(then);
        let gone = then.total - then.remaining;
        if gone > held {
            let stranded = gone - held;
            found.object(format!(
                "stranded: {stranded} units are gone from Redis and not sold"
            ));
        }
        if gone < held {
            let offered = held - gone;
            found.object(format!(
                "{offered} units are sold and still offered by Redis"
            ));
        }

        let is_later = |change: &&ChangeRow| {
            change.kind == ChangeKind::Restock
                && (change.number > then.number || then.holds(change.number))
        };
        let later = self.written.changes.iter().filter(is_later);
        let later: i64 = later.map(|change| change.units).sum();
        let sale = self.written.sale.as_ref();
        let total = sale.map_or(0, |sale| sale.total - later);
        if total != then.total {
            let seen = then.total;
            found.object(format!(
                "Redis has a total of {seen} units, the ledger {total}"
            ));
        }
    }

    /// Redis and the ledger have the same terms, unless an amendment is on its way.
    fn check_terms(&self, found: &mut Findings, then: &Snapshot) {
        let ledger = self.written.sale.as_ref().and_then(|sale| sale.terms);
        let is_later = |change: &ChangeRow| {
            change.kind == ChangeKind::Amend
                && (change.number > then.number || then.holds(change.number))
        };
        let is_on_its_way = !then.effects.is_empty() || self.written.changes.iter().any(is_later);
        if let Some((redis, ledger)) = then.terms.zip(ledger)
            && redis != ledger
            && !is_on_its_way
        {
            found.object(format!(
                "Redis has the terms {}, the ledger {}",
                redis.to_json(),
                ledger.to_json()
            ));
        }
    }

    /// An order that became a dead letter holds its units, unless it was cancelled.
    fn units_of_letters(&self, then: &Snapshot) -> i64 {
        let letters = &self.written.dead_letters;
        let is_cancel = |it: &&DeadLetter| it.quantity == 0;
        let cancelled = letters.iter().filter(is_cancel).map(|it| it.order);
        let cancelled: HashSet<Option<OrderId>> = cancelled.collect();
        let holding = letters.iter().filter(|letter| {
            let is_unwritten = letter
                .order
                .is_some_and(|id| self.unwritten_letters.contains(&id));
            is_unwritten && letter.number <= then.number && !cancelled.contains(&letter.order)
        });
        holding.map(|letter| letter.quantity).sum()
    }

    /// Redis is not behind PostgreSQL.
    fn check_high_water_mark(&self, found: &mut Findings, now: Option<SequenceNumber>) {
        let sale = self.written.sale.as_ref();
        let written = sale.map_or(SequenceNumber::default(), |sale| sale.highest);
        match now {
            None => found.doubt("a rebuild has begun".to_owned()),
            Some(now) if now < written => found.prove(format!(
                "Redis is at {now}, PostgreSQL at {written}: Redis has lost writes; rebuild it"
            )),
            Some(_) => {}
        }
    }
}

/// Whether a cancel had returned its units when the snapshot was taken.
fn is_returned(then: &Snapshot, cancel: Option<SequenceNumber>) -> bool {
    cancel.is_some_and(|cancel| cancel <= then.number && !then.holds(cancel))
}
