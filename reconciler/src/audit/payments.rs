//! What the audit counts and checks of completions and expiries. Pure.

use fluxgate_domain::order_facts::Decision;
use fluxgate_domain::{OrderFacts, SequenceNumber};
use fluxgate_gate::Snapshot;
use fluxgate_ledger::OrderRow;

use super::Findings;

/// Units that orders had when the snapshot was taken, order by order.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnitsAtSnapshot {
    /// Of orders that were not paid; in a sale without holds of all orders.
    pub held: i64,
    /// Of orders that were paid.
    pub completed: i64,
    /// Most orders that may have been among the holds.
    holds_max: u64,
}

impl UnitsAtSnapshot {
    /// Adds an order that PostgreSQL has. One that `is_completed` has a completion that counts, and that PostgreSQL may lack.
    pub fn add_row(&mut self, order: &OrderRow, then: &Snapshot, is_completed: bool) {
        if order.number > then.number {
            return;
        }
        let facts = order.facts;
        let is_before = |number: SequenceNumber| number <= then.number;
        // A completion counts at once; one that was refused has no units.
        let is_completed =
            !facts.completion_refused && (is_completed || facts.completion.is_some_and(is_before));
        // A completion that was read behind the expiry has taken the units again.
        let expiry = facts.expiry.filter(|_| !facts.is_completed());
        let cancel = facts.cancel.map(|cancel| cancel.number);
        // Of an order that was rejected in this epoch, Redis does not know it.
        let is_rejected = facts.decision != Decision::Confirmed;
        let is_known_rejected = is_rejected && order.number.epoch < then.number.epoch;
        let is_marked = is_completed || expiry.or(cancel).is_some_and(is_before);
        self.holds_max += u64::from(!is_marked && !is_known_rejected);
        if !is_rejected && !is_returned(then, cancel) && !is_returned(then, expiry) {
            self.add_units(order.quantity, is_completed);
        }
    }

    /// Adds an order without a row. One that `may_have_hold` was not cancelled.
    pub fn add(&mut self, quantity: i64, is_completed: bool, may_have_hold: bool) {
        self.holds_max += u64::from(!is_completed && may_have_hold);
        self.add_units(quantity, is_completed);
    }

    fn add_units(&mut self, quantity: i64, is_completed: bool) {
        if is_completed {
            self.completed += quantity;
        } else {
            self.held += quantity;
        }
    }

    /// Every unit of the sale is on sale, held or completed, once all orders are added.
    pub fn check(&self, found: &mut Findings, then: &Snapshot, has_holds: bool) {
        let gone = then.total - then.remaining;
        let counted = self.held + self.completed;
        if gone > counted {
            let stranded = gone - counted;
            found.object(format!(
                "stranded: {stranded} units are gone from Redis and not sold"
            ));
        }
        if gone < counted {
            let offered = counted - gone;
            found.object(format!(
                "{offered} units are sold and still offered by Redis"
            ));
        }
        if then.completed != self.completed {
            let (redis, counted) = (then.completed, self.completed);
            found.object(format!(
                "Redis counts {redis} units completed, the orders add up to {counted}"
            ));
        }
        if has_holds && then.holds > self.holds_max {
            let unknown = then.holds - self.holds_max;
            found.object(format!(
                "{unknown} holds are of no order that waits for its payment: rebuild it"
            ));
        }
    }
}

/// Orders whose completion and expiry do not fit together. In Redis only one of them wins, so Redis has lost writes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Payments {
    /// Orders that are completed and have expired, since the latest rebuild.
    both: usize,
    /// Orders that were paid and have no units.
    without_unit: usize,
    /// Those among them that were paid since the latest rebuild.
    without_unit_now: usize,
}

impl Payments {
    /// Adds what PostgreSQL knows about an order. `epoch` is the one of Redis.
    pub fn add(&mut self, facts: &OrderFacts, epoch: Option<u32>) {
        let Some(completion) = facts.completion else {
            return;
        };
        let is_current = |number: SequenceNumber| Some(number.epoch) == epoch;
        if facts.completion_refused && facts.cancel.is_none() {
            self.without_unit += 1;
            self.without_unit_now += usize::from(is_current(completion));
        }
        let expiry = facts.expiry.filter(|_| facts.is_completed());
        let later = expiry.map(|expiry| expiry.max(completion));
        self.both += usize::from(later.is_some_and(is_current));
    }

    /// Adds what is wrong, once all orders are added.
    pub fn check(&self, found: &mut Findings) {
        found.paid_without_unit = self.without_unit;
        if self.both > 0 {
            let count = self.both;
            found.prove(format!(
                "{count} orders are completed and have expired: Redis has lost writes; rebuild it"
            ));
        }
        if self.without_unit_now > 0 {
            let count = self.without_unit_now;
            found.prove(format!(
                "{count} orders were paid and have no units: Redis has lost writes; rebuild it"
            ));
        }
    }
}

/// Whether a cancel or an expiry had returned its units when the snapshot was taken.
pub fn is_returned(then: &Snapshot, cancel: Option<SequenceNumber>) -> bool {
    cancel.is_some_and(|cancel| cancel <= then.number && !then.holds(cancel))
}
