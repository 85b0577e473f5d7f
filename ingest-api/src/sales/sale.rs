use std::sync::atomic::{AtomicU64, Ordering};

use fluxgate_core::ids::{IdempotencyKey, OrderId, UserId};

use super::Door;
use crate::stock::{Number, SaleFacts, SaleKeys};

/// A sale as one copy remembers it: facts that never change, the witness, and the door.
#[derive(Debug)]
pub struct Sale {
    /// What never changes.
    pub facts: SaleFacts,
    /// Its keys in Redis.
    pub keys: SaleKeys,
    /// Where a sign may hang that nothing is taken.
    pub door: Door,
    witness: AtomicU64,
}

impl Sale {
    /// A sale in which at least `witness` numbers are known to have been given out.
    pub fn new(facts: SaleFacts, witness: Number) -> Self {
        let opens_at_ms = facts.opens_at.as_millisecond();
        Self {
            keys: SaleKeys::new(&facts.product, facts.tag, opens_at_ms),
            facts,
            door: Door::default(),
            witness: AtomicU64::new(witness.to_bits()),
        }
    }

    /// The id of the order that `user` asks for with `key`.
    pub fn order_id(&self, user: &UserId, key: &IdempotencyKey) -> OrderId {
        let opened_at_ms = self.facts.opens_at.as_millisecond();
        OrderId::derive(&self.facts.product, self.facts.tag, opened_at_ms, user, key)
    }

    /// The highest number this copy was answered by Redis, or read in the ledger. A Redis that stands
    /// lower has lost writes.
    pub fn witness(&self) -> Number {
        Number::from_bits(self.witness.load(Ordering::Relaxed))
    }

    /// Remembers a number that Redis has answered, or the ledger has.
    pub fn saw(&self, number: Number) {
        self.witness.fetch_max(number.to_bits(), Ordering::Relaxed);
    }
}
