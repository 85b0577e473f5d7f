use std::sync::Arc;

use fluxgate_domain::ids::{IdempotencyKey, OrderId, UserId};
use fluxgate_domain::{HoldTerms, NumberSeries, SequenceNumber};
use fluxgate_gate::{GateError, ReservationStore, SaleFacts, SaleKeys};
use tokio::sync::OnceCell;

use crate::high_water_mark::HighWaterMark;
use crate::sold_out::SaleRefusals;

/// A sale, as one instance remembers it: its facts, the high-water mark and the cached refusals.
#[derive(Debug)]
pub struct Sale {
    /// Its facts; see [`SaleFacts`].
    pub facts: SaleFacts,
    /// Its keys in Redis.
    pub keys: SaleKeys,
    /// The series that its orders and changes are numbered in.
    pub series: NumberSeries,
    /// What may be refused from memory.
    pub refusals: Arc<SaleRefusals>,
    high_water_mark: Arc<HighWaterMark>,
    /// Read once the sale has an order: no amendment changes them any more.
    hold_terms: OnceCell<HoldTerms>,
}

impl Sale {
    /// A sale whose numbers up to `high_water_mark` are known to have been given out.
    pub fn new(facts: SaleFacts, high_water_mark: SequenceNumber) -> Self {
        let keys = facts.keys();
        let high_water_mark = Arc::new(HighWaterMark::new(high_water_mark));
        let mark = Arc::clone(&high_water_mark);
        Self {
            refusals: Arc::new(SaleRefusals::new(keys.clone(), facts.opens_at, mark)),
            keys,
            series: NumberSeries::of(&facts.product),
            facts,
            high_water_mark,
            hold_terms: OnceCell::new(),
        }
    }

    /// The id of the order that `user` places with `key`.
    pub fn order_id(&self, user: &UserId, key: &IdempotencyKey) -> OrderId {
        let id_time_ms = self.facts.id_time.as_millisecond();
        OrderId::derive(&self.facts.product, self.facts.tag, id_time_ms, user, key)
    }

    /// The terms of holds; `None` if there are none, or if `store` does not have the sale. The sale must have an order: until
    /// then the terms may be amended.
    ///
    /// # Errors
    /// If Redis gave no usable answer.
    pub async fn hold_terms(
        &self,
        store: &ReservationStore,
    ) -> Result<Option<HoldTerms>, GateError> {
        if !self.facts.has_holds {
            return Ok(None);
        }
        let read = self.hold_terms.get_or_try_init(async || {
            let view = store.sale(&self.facts.product).await.map_err(Some)?;
            view.and_then(|view| view.terms.holds()).ok_or(None)
        });
        match read.await {
            Ok(terms) => Ok(Some(*terms)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// The highest number that this instance has seen.
    pub fn high_water_mark(&self) -> SequenceNumber {
        self.high_water_mark.get()
    }

    /// Raises the high-water mark to a number that Redis or the ledger has answered.
    pub fn observe(&self, number: SequenceNumber) {
        self.high_water_mark.observe(number);
    }
}
