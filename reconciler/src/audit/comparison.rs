//! Compares the stores about one sale, whose orders arrive row by row. Pure.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSet, OrderFacts, OrderStatus, SequenceNumber};
use fluxgate_gate::{Snapshot, State};
use fluxgate_ledger::{LedgerRow, OrderRow, WrittenSale};
use jiff::Timestamp;

use super::payments::{Payments, UnitsAtSnapshot, is_returned};
use super::{Findings, sale_checks};

/// A snapshot of Redis, and the rows that PostgreSQL had later. Keeps a bit of each order row.
pub struct Comparison {
    product: ProductId,
    /// `None` if Redis does not have the sale.
    then: Option<Snapshot>,
    written: WrittenSale,
    /// Of orders, completions, expiries, cancels and changes in PostgreSQL.
    numbers: NumberSet,
    /// Numbers that stood for something else already, in the epoch of the snapshot.
    used_twice: usize,
    sold_units: i64,
    completed_units: i64,
    confirmed_units: i64,
    cancelled: usize,
    expired: usize,
    rejected: usize,
    /// Units that orders in PostgreSQL had when the snapshot was taken.
    units: UnitsAtSnapshot,
    payments: Payments,
    /// Orders of dead letters without a row, and their numbers.
    unwritten_letters: HashMap<OrderId, SequenceNumber>,
    /// Orders whose completion counts in Redis and is in the outbox or a dead letter.
    unwritten_completions: HashSet<OrderId>,
}

impl Comparison {
    /// A comparison that has seen no order row yet.
    pub fn new(product: ProductId, then: Option<Snapshot>, written: WrittenSale) -> Self {
        let letters = written.dead_letters.iter();
        let letters = letters.filter_map(|letter| Some((letter.order?, letter.number)));
        let mut new = Self {
            product,
            numbers: NumberSet::default(),
            used_twice: 0,
            sold_units: 0,
            completed_units: 0,
            confirmed_units: 0,
            cancelled: 0,
            expired: 0,
            rejected: 0,
            units: UnitsAtSnapshot::default(),
            payments: Payments::default(),
            unwritten_completions: unwritten_completions(then.as_ref(), &written),
            unwritten_letters: letters.collect(),
            then,
            written,
        };
        let changes: Vec<_> = new.written.changes.iter().map(|it| it.number).collect();
        changes.into_iter().for_each(|number| new.count(number));
        new
    }

    /// Adds an order that PostgreSQL has.
    pub fn add(&mut self, order: &OrderRow) {
        self.count(order.number);
        let OrderFacts {
            completion,
            expiry,
            cancel,
            ..
        } = order.facts;
        let cancel = cancel.map(|cancel| cancel.number);
        for number in [completion, expiry, cancel].into_iter().flatten() {
            self.count(number);
        }
        let status = order.facts.status();
        self.sold_units += if status.is_sold() { order.quantity } else { 0 };
        match status {
            OrderStatus::Confirmed => self.confirmed_units += order.quantity,
            OrderStatus::Completed => self.completed_units += order.quantity,
            OrderStatus::Cancelled => self.cancelled += 1,
            OrderStatus::Expired => self.expired += 1,
            OrderStatus::Rejected => self.rejected += 1,
            _ => {}
        }
        let is_written = |number: SequenceNumber| !order.is_superseded_by(number);
        let letter = self.unwritten_letters.get(&order.id);
        if letter.is_some_and(|number| is_written(*number)) {
            self.unwritten_letters.remove(&order.id);
        }
        let epoch = self.then.as_ref().map(|then| then.number.epoch);
        self.payments.add(&order.facts, epoch);
        if let Some(then) = &mut self.then {
            let waiting = then.orders.get(&order.id);
            if waiting.is_some_and(|it| is_written(it.number)) {
                then.orders.remove(&order.id);
            }
            let is_completed = self.unwritten_completions.contains(&order.id);
            self.units.add_row(order, then, is_completed);
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
        self.payments.check(&mut found);
        let Some(then) = self.then.take() else {
            sale_checks::check_absence(&mut found, &self.written, clock);
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
                sale_checks::check_high_water_mark(&mut found, &self.written, now);
            }
            State::Open | State::Closed => {
                self.check_numbers(&mut found, &then);
                self.check_units(&mut found, &then);
                sale_checks::check_total(&mut found, &self.written, &then);
                sale_checks::check_terms(&mut found, &self.written, &then);
                sale_checks::check_queue(&mut found, &self.written, &then);
                sale_checks::check_high_water_mark(&mut found, &self.written, now);
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
            sold: self.sold_units,
            completed: self.completed_units,
            cancelled: self.cancelled,
            expired: self.expired,
            rejected: self.rejected,
            dead_letters: self.written.dead_letters.len(),
            ..Findings::none(self.product.clone())
        };
        let Some(sale) = &self.written.sale else {
            found.object("PostgreSQL does not know the sale".to_owned());
            return found;
        };
        found.total = sale.total;
        if sale.has_holds() {
            found.held = self.confirmed_units;
        }
        let (counted, sold, total) = (sale.sold, found.sold, sale.total);
        if counted != sold {
            found.prove(format!(
                "the ledger counts {counted} units sold, its orders add up to {sold}"
            ));
        }
        let (counted, completed) = (sale.completed, found.completed);
        if counted != completed {
            found.prove(format!(
                "the ledger counts {counted} units completed, its orders add up to {completed}"
            ));
        }
        if sold > total {
            found.prove(format!("oversold: {sold} units of {total}"));
        }
        found
    }

    /// Every number up to the snapshot's stands for exactly one order, completion, expiry, cancel or change.
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

    /// Every unit gone from Redis is held by an order or completed, and the units of every order are gone from Redis.
    fn check_units(&self, found: &mut Findings, then: &Snapshot) {
        let mut units = self.units;
        // Those that PostgreSQL has are no longer among them.
        for (id, order) in &then.orders {
            if !is_returned(then, order.cancel) {
                let is_completed = self.unwritten_completions.contains(id);
                units.add(order.quantity.into(), is_completed, order.cancel.is_none());
            }
        }
        self.add_letters(&mut units, then);
        let has_holds = self.written.sale.as_ref().is_some_and(LedgerRow::has_holds);
        if has_holds {
            found.held = units.held;
        }
        units.check(found, then, has_holds);
    }

    /// An order that became a dead letter has its units, unless it was cancelled.
    fn add_letters(&self, units: &mut UnitsAtSnapshot, then: &Snapshot) {
        let letters = &self.written.dead_letters;
        let cancelled = letters
            .iter()
            .filter(|letter| letter.is_cancel)
            .map(|it| it.order);
        let cancelled: HashSet<Option<OrderId>> = cancelled.collect();
        for letter in letters {
            if let Some(id) = letter.order
                && letter.quantity > 0
                && self.unwritten_letters.contains_key(&id)
                && letter.number <= then.number
                && !cancelled.contains(&letter.order)
            {
                let is_completed = self.unwritten_completions.contains(&id);
                units.add(letter.quantity, is_completed, true);
            }
        }
    }
}

/// Orders whose completion counted when the snapshot was taken and is in the outbox or a dead letter. A rebuild does not know
/// those of dead letters.
fn unwritten_completions(then: Option<&Snapshot>, written: &WrittenSale) -> HashSet<OrderId> {
    let Some(then) = then else {
        return HashSet::new();
    };
    let letters = written.dead_letters.iter().filter(|letter| {
        let is_current = letter.number.epoch == then.number.epoch;
        letter.is_completion && is_current && letter.number <= then.number
    });
    let letters = letters.filter_map(|letter| letter.order);
    letters.chain(then.completions.iter().copied()).collect()
}
