use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::records::OrderRecord;
use fred::interfaces::{HashesInterface, StreamsInterface};
use fred::types::{Key, Value};

use crate::{GateError, ReservationStore, keys};

/// An order, as Redis has it.
#[derive(Debug, Clone)]
pub struct StoredOrder {
    /// The product ordered.
    pub product: ProductId,
    /// The order's record.
    pub record: OrderRecord,
    /// Whether its event waits in the outbox.
    pub waiting: bool,
    /// Whether it was cancelled and its units count again.
    pub cancelled: bool,
}

impl ReservationStore {
    /// Looks up an order by its id; `None` if this Redis does not have it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order(&self, order_id: OrderId) -> Result<Option<StoredOrder>, GateError> {
        let client = self.client();
        let fields = vec![String::new(), order_id.to_string()];
        let (product, record): (Option<String>, Option<String>) = self
            .timed("order", client.hmget(keys::orders_of(order_id), fields))
            .await?;
        let (Some(product), Some(record)) = (product, record) else {
            return Ok(None);
        };
        let product = ProductId::parse(&product)
            .map_err(|_| GateError::unexpected("a product id", &product))?;
        let record: OrderRecord = record.parse()?;

        let outbox = keys::outbox(&product, order_id.tag());
        let cancelled = match record.cancel {
            Some(cancel) => !self.is_waiting(&outbox, cancel.number).await?,
            None => false,
        };
        Ok(Some(StoredOrder {
            waiting: self.is_waiting(&outbox, record.number).await?,
            cancelled,
            product,
            record,
        }))
    }

    async fn is_waiting(&self, outbox: &Key, entry: SequenceNumber) -> Result<bool, GateError> {
        let client = self.client();
        let entry = entry.to_string();
        let entries: Vec<Value> = self
            .timed("order", client.xrange(outbox, entry.clone(), entry, None))
            .await?;
        Ok(!entries.is_empty())
    }
}
