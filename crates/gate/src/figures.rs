//! What operators watch of a sale.

use fluxgate_domain::ids::ProductId;
use fred::clients::Client;
use fred::interfaces::{HashesInterface, StreamsInterface};
use fred::types::Value;
use futures_util::try_join;

use crate::{GateError, QueueKeys, ReservationStore, SaleView};

/// A sale with the figures that only its operators see, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleFigures {
    /// The sale.
    pub view: SaleView,
    /// Orders that it has taken, whatever became of them; each restock and amendment counts as one, too.
    pub orders: u64,
    /// Entries in its outbox.
    pub outbox_entries: u64,
    /// The highest number given to somebody who joined after the start, in a sale with a queue.
    pub joined_late: Option<u64>,
}

impl ReservationStore {
    /// Reads the figures of a sale; `None` if this Redis does not have it or it is being rebuilt.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn figures(&self, product: &ProductId) -> Result<Option<SaleFigures>, GateError> {
        let Some(view) = self.sale(product).await? else {
            return Ok(None);
        };
        let keys = view.facts.keys();
        let orders = |client: Client| {
            let key = keys.orders.clone();
            async move { client.hlen::<u64, _>(key).await }
        };
        let entries = |client: Client| {
            let key = keys.outbox.clone();
            async move { client.xlen::<u64, _>(key).await }
        };
        let (seen_at, orders, outbox_entries, joined_late) = try_join!(
            // Again: the rate of orders is computed from this time.
            self.now_at(&keys.sale),
            self.at("figures", &keys.orders, orders),
            self.at("figures", &keys.outbox, entries),
            self.joined_late(keys.queue.as_ref()),
        )?;
        Ok(Some(SaleFigures {
            view: SaleView { seen_at, ..view },
            // Without the field that names the product.
            orders: orders.saturating_sub(1),
            outbox_entries,
            joined_late,
        }))
    }

    async fn joined_late(&self, queue: Option<&QueueKeys>) -> Result<Option<u64>, GateError> {
        let Some(QueueKeys { state, .. }) = queue else {
            return Ok(None);
        };
        let read = |client: Client| {
            let key = state.clone();
            async move { client.hget::<Value, _, _>(key, "late").await }
        };
        match self.at("figures", state, read).await? {
            // The queue was not read yet, and nobody has joined late.
            Value::Null => Ok(Some(0)),
            late => {
                let number = late.as_str().and_then(|text| text.parse().ok());
                let unexpected = || GateError::unexpected("a number of a queue", &late);
                number.map(Some).ok_or_else(unexpected)
            }
        }
    }
}
