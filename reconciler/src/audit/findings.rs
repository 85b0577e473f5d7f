//! What is found about one sale. Pure.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_gate::{Snapshot, State};
use jiff::Timestamp;

use crate::Undecided;
use crate::truth::{Kind, Order, Status, Written};

/// What an audit says of one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The sale.
    pub product: ProductId,
    /// How its data in Redis is: opening, open, closed, rebuilding, gone.
    pub state: &'static str,
    /// Units for sale in all, by Redis; by the ledger where Redis has none.
    pub total: i64,
    /// Units not taken, by Redis.
    pub remaining: i64,
    /// Entries in the outbox.
    pub waiting: u64,
    /// Units of confirmed orders.
    pub confirmed: i64,
    /// Orders given back.
    pub cancelled: usize,
    /// Orders that got no units, because Redis had lost data.
    pub rejected: usize,
    /// Dead letters with a number of this sale.
    pub buried: usize,
    /// Numbers that were given out in this epoch and are nowhere.
    pub missing: i64,
    /// Numbers that earlier epochs must have given out and that are nowhere: what was lost before
    /// the sale was rebuilt.
    pub lost_before: i64,
    /// What is wrong, in words.
    pub objections: Vec<String>,
    /// Whether some of it is wrong whatever is still under way.
    pub proven: bool,
    /// Why nobody can tell, in words.
    pub doubts: Vec<String>,
}

/// The end of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is where it should be.
    Right,
    /// Something is not.
    Wrong,
    /// Nobody can tell now.
    Undecided,
}

impl Findings {
    /// Holds a sale in Redis against what PostgreSQL had of it later. `now` is the sale in Redis
    /// after that: a Redis that stands below PostgreSQL even then has lost writes.
    pub fn compare(
        product: ProductId,
        then: &Snapshot,
        written: &Written,
        now: Option<SequenceNumber>,
    ) -> Self {
        let mut found = Self {
            state: then.state.as_str(),
            total: then.total,
            remaining: then.remaining,
            waiting: then.waiting,
            ..Self::written(product, written)
        };
        match then.state {
            State::Opening => found.doubt("its opening is not on Kafka yet".to_owned()),
            State::Rebuilding => {
                found.object("it is being rebuilt, or a rebuild did not end: run it again".into());
            }
            State::Open | State::Closed => {
                found.count_numbers(then, written);
                found.count_units(then, written);
                found.look_for_loss(now, written);
            }
        }
        if then.unreadable > 0 {
            let count = then.unreadable;
            found.object(format!(
                "{count} outbox entries whose records Redis has lost"
            ));
        }
        found
    }

    /// A sale that Redis does not have.
    pub fn without_redis(product: ProductId, written: &Written, now: Timestamp) -> Self {
        let mut found = Self::written(product, written);
        let closes_at = written.sale.as_ref().and_then(|sale| sale.closes_at);
        let by_hand = written.changes.iter().any(|it| it.kind == Kind::Close);
        if !by_hand && closes_at.is_none_or(|at| at > now) {
            found.object("Redis has lost it: rebuild it".to_owned());
        }
        found
    }

    /// A product that no store knows.
    pub fn unknown(product: ProductId) -> Self {
        let mut found = Self::written(product, &Written::default());
        found.objections = vec!["no store knows this product".to_owned()];
        found
    }

    /// Why nobody can tell.
    fn doubt(&mut self, doubt: String) {
        self.doubts.push(doubt);
    }

    /// PostgreSQL is not where its partition of the log ends.
    pub fn note_behind(&mut self, why: &Undecided) {
        match why {
            Undecided::Shorter { .. } => self.prove(why.to_string()),
            _ => self.doubt(why.to_string()),
        }
    }

    /// The end of it. What cannot be told is not called wrong, the next audit may see more; what is proven is
    /// wrong whatever cannot be told beside it.
    pub fn verdict(&self) -> Verdict {
        if self.proven {
            Verdict::Wrong
        } else if !self.doubts.is_empty() {
            Verdict::Undecided
        } else if !self.objections.is_empty() {
            Verdict::Wrong
        } else {
            Verdict::Right
        }
    }

    /// An objection that nothing under way can answer.
    fn prove(&mut self, objection: String) {
        self.proven = true;
        self.object(objection);
    }

    fn object(&mut self, objection: String) {
        self.objections.push(objection);
    }

    /// What PostgreSQL alone says.
    fn written(product: ProductId, written: &Written) -> Self {
        let orders_with = |status| {
            let orders = written.orders.iter();
            orders.filter(|order| order.status == status).count()
        };
        let mut found = Self {
            product,
            state: "gone",
            total: written.sale.as_ref().map_or(0, |sale| sale.total),
            remaining: 0,
            waiting: 0,
            confirmed: written.confirmed(),
            cancelled: orders_with(Status::Cancelled),
            rejected: orders_with(Status::Rejected),
            buried: written.buried.len(),
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
                        "the ledger counts {sold} units sold, its orders {confirmed}"
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

    /// Every number up to the snapshot's stands for one thing.
    fn count_numbers(&mut self, then: &Snapshot, written: &Written) {
        let now = then.number;
        let orders = written.orders.iter();
        let numbers = orders
            .flat_map(|order| [Some(order.number), order.cancel])
            .flatten()
            .chain(written.changes.iter().map(|change| change.number));
        let mut seen = HashSet::new();
        // What was doubled before the sale was rebuilt is over.
        let doubled = numbers
            .filter(|number| !seen.insert(*number) && number.epoch == now.epoch)
            .count();
        if doubled > 0 {
            self.prove(format!(
                "{doubled} numbers stand for two things: Redis has lost writes"
            ));
        }
        seen.extend(then.effects.iter().chain(&then.order_numbers));
        seen.extend(written.buried.iter().map(|letter| letter.number));

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

    /// Every unit that is gone from Redis is held by an order, and the other way round.
    fn count_units(&mut self, then: &Snapshot, written: &Written) {
        let was_back = |cancel: Option<SequenceNumber>| {
            cancel.is_some_and(|cancel| cancel <= then.number && !then.holds(cancel))
        };
        let holds = |order: &&Order| match order.status {
            Status::Rejected => false,
            _ => order.number <= then.number && !was_back(order.cancel),
        };
        let rows = written.orders.iter().filter(holds);
        let mut held: i64 = rows.map(|order| order.quantity).sum();

        let rows: HashSet<OrderId> = written.orders.iter().map(|order| order.id).collect();
        for (id, record) in &then.orders {
            if !rows.contains(id) && !was_back(record.cancel.map(|cancel| cancel.number)) {
                held += i64::from(record.quantity);
            }
        }
        // An order that could not be written has its units all the same, unless it was cancelled.
        let cancelled = |order: Option<OrderId>| {
            let mut letters = written.buried.iter();
            letters.any(|other| other.quantity == 0 && other.order == order)
        };
        let buried = written.buried.iter().filter(|letter| {
            let is_new = letter.order.is_some_and(|id| !rows.contains(&id));
            is_new && letter.number <= then.number && !cancelled(letter.order)
        });
        held += buried.map(|letter| letter.quantity).sum::<i64>();
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
            change.kind == Kind::Restock
                && (change.number > then.number || then.holds(change.number))
        });
        let later: i64 = later.map(|change| change.units).sum();
        let total = written.sale.as_ref().map_or(0, |sale| sale.total - later);
        if total != then.total {
            let seen = then.total;
            self.object(format!("Redis has {seen} units in all, the ledger {total}"));
        }
    }

    fn look_for_loss(&mut self, now: Option<SequenceNumber>, written: &Written) {
        let sale = written.sale.as_ref();
        let written = sale.map(|sale| sale.highest).unwrap_or_default();
        match now {
            None => self.doubt("it is being rebuilt by now".to_owned()),
            Some(now) if now < written => self.prove(format!(
                "Redis stands at {now}, PostgreSQL at {written}: Redis has lost writes; rebuild it"
            )),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
