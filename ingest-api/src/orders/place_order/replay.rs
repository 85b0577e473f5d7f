//! Retries: answered with the order that they repeat.

use std::sync::Arc;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::records::OrderRecord;
use fluxgate_ledger::ReadClass;
use jiff::Timestamp;

use super::{Order, PlaceOrder, Placed};
use crate::orders::{OrderView, Refusal};
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
        let has_ended = record.cancel.is_some() || record.expiry.is_some();
        let status = if has_ended || record.completion.is_some() {
            self.status_with_marks(sale, order_id, record).await
        } else if waiting {
            self.publish(sale, order_id, record, None).await
        } else {
            let has_holds = sale.facts.has_holds;
            let status = self
                .statuses
                .at_least_accepted(order_id, record.number, has_holds);
            status.await
        };
        let expires_at = self.sales.expires_at(sale, record, status).await;
        replayed(order_id, status, expires_at)
    }

    /// The status of an order that was paid, has expired or was cancelled. `cancelled` only after the units were returned, but
    /// in a sale with holds the order is no longer held before that.
    async fn status_with_marks(
        &self,
        sale: &Sale,
        order_id: OrderId,
        record: &OrderRecord,
    ) -> OrderStatus {
        let found = self.statuses.find(order_id).await;
        let status = found.map_or(OrderStatus::Accepted, |order| order.status);
        match status {
            _ if !status.is_held() || !sale.facts.has_holds => status,
            _ if record.cancel.is_some() => OrderStatus::Cancelled,
            _ if record.expiry.is_some() => OrderStatus::Expired,
            _ => status,
        }
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
        let read = async || self.statuses.row(order_id, ReadClass::Unknown).await;
        let mut row = read().await.map_err(undecided)?;
        if row.is_none() {
            if !self.written.has(facts).await {
                return Err(Refusal::Undecided);
            }
            // It may have been written since.
            row = read().await.map_err(undecided)?;
        }
        let row = row.ok_or(Refusal::Closed)?;
        repeated(order, &OrderView::written(order_id, row))
    }
}

/// The answer to a retry of which Redis was not asked for the record: by the order as it is known.
pub(super) fn repeated(order: &Order, known: &OrderView) -> Result<Placed, Refusal> {
    let order_id = known.order_id;
    if known.quantity != i32::from(order.quantity.get()) || known.user_id != order.user.as_str() {
        return Err(Refusal::KeyReused);
    }
    if known.status == OrderStatus::Rejected {
        return Err(Refusal::Rejected { order_id });
    }
    replayed(order_id, known.status, known.expires_at)
}

/// The answer to a retry, by the status of its order.
fn replayed(
    order_id: OrderId,
    status: OrderStatus,
    expires_at: Option<Timestamp>,
) -> Result<Placed, Refusal> {
    match status {
        OrderStatus::Cancelled => Err(Refusal::Cancelled { order_id }),
        OrderStatus::Expired => Err(Refusal::Expired { order_id }),
        status => Ok(Placed {
            order_id,
            status,
            replayed: true,
            expires_at,
        }),
    }
}
