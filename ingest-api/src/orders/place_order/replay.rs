//! Retries: answered with the order that they repeat.

use std::sync::Arc;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::records::OrderRecord;

use super::{Order, PlaceOrder, Placed, placed};
use crate::orders::Refusal;
use crate::sales::{Sale, SaleLookupError};

impl PlaceOrder {
    /// Answers a retry with the order it repeats, unless that order no longer holds units. An order that is still in the outbox is published again, because its
    /// first instance may have died.
    pub(super) async fn replay(
        &self,
        sale: &Arc<Sale>,
        order_id: OrderId,
        order: &Order,
        record: &OrderRecord,
        waiting: bool,
    ) -> Result<Placed, Refusal> {
        if record.quantity != order.quantity || record.user != order.user {
            return Err(Refusal::KeyReused);
        }
        if record.rejected {
            return Err(Refusal::Rejected { order_id });
        }
        let status = if record.cancel.is_some() {
            // `cancelled` only after the units were returned, which takes another read.
            match self.statuses.find(order_id).await {
                Ok(order) if order.status == OrderStatus::Cancelled => {
                    return Err(Refusal::Cancelled { order_id });
                }
                Ok(order) => order.status,
                Err(_) => OrderStatus::Accepted,
            }
        } else if waiting {
            self.publish(sale, order_id, record, None).await
        } else {
            self.statuses
                .at_least_accepted(order_id, record.number)
                .await
        };
        Ok(placed(order_id, status, true))
    }

    /// Answers an order whose sale Redis does not have: if the sale is over, a retry with the order it repeats.
    pub(super) async fn without_redis(
        &self,
        order: &Order,
        error: SaleLookupError,
    ) -> Result<Placed, Refusal> {
        let SaleLookupError::Over(view) = error else {
            return Err(error.into());
        };
        let facts = &view.facts;
        let id_time_ms = facts.id_time.as_millisecond();
        let order_id = OrderId::derive(
            &facts.product,
            facts.tag,
            id_time_ms,
            &order.user,
            &order.key,
        );
        let undecided = |_| Refusal::Undecided;
        let mut row = self.statuses.written(order_id).await.map_err(undecided)?;
        if row.is_none() {
            if !self.written.has(facts).await {
                return Err(Refusal::Undecided);
            }
            // It may have been written since.
            row = self.statuses.written(order_id).await.map_err(undecided)?;
        }
        let row = row.ok_or(Refusal::Closed)?;
        if row.quantity != i32::from(order.quantity.get()) || row.user_id != order.user.as_str() {
            return Err(Refusal::KeyReused);
        }
        match row.status {
            OrderStatus::Cancelled => Err(Refusal::Cancelled { order_id }),
            OrderStatus::Rejected => Err(Refusal::Rejected { order_id }),
            status => Ok(placed(order_id, status, true)),
        }
    }
}
