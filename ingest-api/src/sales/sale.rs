use std::sync::atomic::{AtomicU64, Ordering};

use fluxgate_domain::ids::{IdempotencyKey, OrderId, UserId};
use fluxgate_domain::{NumberSeries, SequenceNumber};
use fluxgate_gate::{SaleFacts, SaleKeys};

use crate::sold_out::SaleRefusals;

/// A sale, as one instance remembers it: its fixed facts, the high-water mark and the cached refusals.
#[derive(Debug)]
pub struct Sale {
    /// The facts that never change.
    pub facts: SaleFacts,
    /// Its keys in Redis.
    pub keys: SaleKeys,
    /// The series that its orders and changes are numbered in.
    pub series: NumberSeries,
    /// What may be refused from memory.
    pub refusals: SaleRefusals,
    high_water_mark: AtomicU64,
}

impl Sale {
    /// A sale whose numbers up to `high_water_mark` are known to have been given out.
    pub fn new(facts: SaleFacts, high_water_mark: SequenceNumber) -> Self {
        let opens_at_ms = facts.opens_at.as_millisecond();
        Self {
            keys: SaleKeys::new(&facts.product, facts.tag, opens_at_ms),
            series: NumberSeries::of(&facts.product),
            facts,
            refusals: SaleRefusals::default(),
            high_water_mark: AtomicU64::new(high_water_mark.to_bits()),
        }
    }

    /// The id of the order that `user` places with `key`.
    pub fn order_id(&self, user: &UserId, key: &IdempotencyKey) -> OrderId {
        let opened_at_ms = self.facts.opens_at.as_millisecond();
        OrderId::derive(&self.facts.product, self.facts.tag, opened_at_ms, user, key)
    }

    /// The highest number that Redis answered or the ledger holds, as far as this instance knows. A Redis whose numbers
    /// are lower has lost writes.
    pub fn high_water_mark(&self) -> SequenceNumber {
        SequenceNumber::from_bits(self.high_water_mark.load(Ordering::Relaxed))
    }

    /// Raises the high-water mark to a number that Redis or the ledger has answered.
    pub fn observe(&self, number: SequenceNumber) {
        self.high_water_mark
            .fetch_max(number.to_bits(), Ordering::Relaxed);
    }
}
