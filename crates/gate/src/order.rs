use std::collections::HashMap;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::records::OrderRecord;
use fred::clients::Client;
use fred::interfaces::HashesInterface;
use futures_util::future::join_all;

use crate::{GateError, ReservationStore, keys};

/// Most orders that one call looks up.
pub const ORDERS_MAX: usize = 64;

/// An order, as Redis has it.
#[derive(Debug, Clone)]
pub struct StoredOrder {
    /// The product ordered.
    pub product: ProductId,
    /// The order's record.
    pub record: OrderRecord,
}

impl ReservationStore {
    /// Looks up an order by its id; `None` if this Redis does not have it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order(&self, order_id: OrderId) -> Result<Option<StoredOrder>, GateError> {
        let found = self.orders(&[order_id]).await.pop();
        found.expect("one answer per id")
    }

    /// Looks up at most [`ORDERS_MAX`] orders: one command per sale, all sent at once. One answer per id, in their order;
    /// an error concerns its own command or record, not the others.
    pub async fn orders(&self, ids: &[OrderId]) -> Vec<Result<Option<StoredOrder>, GateError>> {
        let mut sales: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, id) in ids.iter().enumerate() {
            let sale = (id.tag(), id.opened_at_ms());
            sales.entry(sale).or_default().push(at);
        }
        let sales = sales.into_values().map(|places| async move {
            let sale = places.iter().map(|at| ids[*at]);
            let found = self.orders_of_one_sale(sale).await;
            (places, found)
        });
        let mut answers: Vec<_> = ids.iter().map(|_| Ok(None)).collect();
        for (places, found) in join_all(sales).await {
            for (nth, at) in places.into_iter().enumerate() {
                answers[at] = match &found {
                    Ok((None, _)) => Ok(None),
                    Ok((Some(product), records)) => match records.get(nth) {
                        Some(Some(record)) => stored(product, record).map(Some),
                        _ => Ok(None),
                    },
                    Err(error) => Err(error.clone()),
                };
            }
        }
        answers
    }

    /// The product of a sale and the records of these orders.
    async fn orders_of_one_sale(
        &self,
        ids: impl Iterator<Item = OrderId> + Clone,
    ) -> Result<(Option<String>, Vec<Option<String>>), GateError> {
        let first = ids.clone().next().expect("a sale with an id");
        let fields: Vec<String> = std::iter::once(String::new())
            .chain(ids.map(|id| id.to_string()))
            .collect();
        let key = keys::orders_of(first);
        let read = |client: Client| {
            let (key, fields) = (key.clone(), fields.clone());
            async move { client.hmget(key, fields).await }
        };
        let mut found: Vec<Option<String>> = self.at("orders", &key, read).await?;
        if found.is_empty() {
            return Err(GateError::unexpected("a list of fields", &found));
        }
        Ok((found.remove(0), found))
    }

    /// Whether an event of this order waits in the outbox: its reservation, or its cancel.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn is_waiting(
        &self,
        order_id: OrderId,
        product: &ProductId,
        number: SequenceNumber,
    ) -> Result<bool, GateError> {
        let tag = order_id.tag();
        let keys = vec![keys::sale(product, tag), keys::outbox(product, tag)];
        let arguments = vec![number.to_string().into()];
        let script = &self.scripts.is_waiting;
        let waiting: u8 = self.run("waiting", script, keys, arguments).await?;
        Ok(waiting == 1)
    }
}

fn stored(product: &str, record: &str) -> Result<StoredOrder, GateError> {
    let product =
        ProductId::parse(product).map_err(|_| GateError::unexpected("a product id", product))?;
    let record = record.parse()?;
    Ok(StoredOrder { product, record })
}
