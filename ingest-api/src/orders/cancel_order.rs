use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::events::{CancelCause, Event, OrderCancelled, OrderReserved};
use fluxgate_domain::ids::{OrderId, ProductId, Quantity, UserId};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_gate::{ReservationStore, SaleView};
use fluxgate_ledger::{ReadClass, WrittenOrder};
use fluxgate_log::{OutgoingMessage, Publication, Wait};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{OrderStatusReader, OrderView};
use crate::pauses::Pauses;
use crate::sales::{ChangeError, Publisher, SaleCache, SaleChanges, SaleLookupError};

/// How long the cancel of an order whose sale is over waits for Kafka and then for the row.
const WAIT: Duration = Duration::from_secs(8);
/// The pause before the row is read again; it doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The use case behind `POST /orders/{id}/cancel`: cancel the order in Redis or, if its sale is over, in its row.
pub struct CancelOrder {
    changes: Arc<SaleChanges>,
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
}

impl CancelOrder {
    /// Cancels orders through `changes`; those whose sales are over through `publisher`, at the time of `store`.
    pub fn new(
        changes: Arc<SaleChanges>,
        store: ReservationStore,
        sales: Arc<SaleCache>,
        publisher: Publisher,
    ) -> Self {
        Self {
            changes,
            store,
            sales,
            publisher,
        }
    }

    /// Cancels an order. When this returns, its units can be sold again, unless the sale has closed.
    ///
    /// # Errors
    /// If the order is not known to be cancelled.
    pub async fn cancel(
        &self,
        order_id: OrderId,
        by: CancelledBy,
        statuses: &OrderStatusReader,
    ) -> Result<OrderView, ChangeError> {
        // If the status is not known, Redis decides below.
        let found = statuses.find(order_id).await;
        if matches!(&found, Ok(order) if order.status == OrderStatus::Rejected) {
            return Err(ChangeError::Rejected);
        }
        let is_paid = matches!(&found, Ok(order) if order.status == OrderStatus::Completed);
        if is_paid && by == CancelledBy::Buyer {
            return Err(ChangeError::NotAllowed);
        }
        let product = found.as_ref().ok();
        let product = product.and_then(|order| ProductId::parse(&order.product_id).ok());
        let cancelled = self.changes.cancel(order_id, by, product.as_ref()).await;
        match (cancelled, found) {
            (Ok((product, record)), _) => {
                let status = OrderStatus::Cancelled;
                Ok(OrderView::of(order_id, &product, &record, status))
            }
            // The order is cancelled, and Redis no longer has it: no lease is left to wait for.
            (Err(error), Ok(order))
                if order.status == OrderStatus::Cancelled && error.is_missing_in_redis() =>
            {
                Ok(order)
            }
            (Err(ChangeError::Sale(SaleLookupError::Over(sale))), _) if by == CancelledBy::Shop => {
                self.cancel_row(order_id, &sale, statuses).await
            }
            // A store that did not answer may have the order.
            (Err(ChangeError::UnknownOrder), Err(error)) => Err(error.into()),
            (Err(error), _) => Err(error),
        }
    }

    /// Cancels an order whose sale is over: it has no outbox any more, and only its row shows whether it is cancelled. A
    /// call that is not answered leaves nothing behind but, perhaps, the event; a repeated call publishes it again.
    async fn cancel_row(
        &self,
        order_id: OrderId,
        sale: &SaleView,
        statuses: &OrderStatusReader,
    ) -> Result<OrderView, ChangeError> {
        let deadline = Instant::now() + WAIT;
        let undecided = |_| SaleLookupError::Undecided;
        let row = statuses.row(order_id, ReadClass::Unknown).await;
        let row = row.map_err(undecided)?;
        let row = row.ok_or(ChangeError::NotWritten)?;
        match row.status {
            OrderStatus::Cancelled => return Ok(OrderView::written(order_id, row)),
            OrderStatus::Rejected => return Err(ChangeError::Rejected),
            OrderStatus::Expired => return Err(ChangeError::Expired),
            _ => {}
        }
        let event = event(order_id, &row, sale, self.store.now().await?);
        let message = OutgoingMessage {
            event: Event::OrderCancelled(event.ok_or(SaleLookupError::Undecided)?),
            partition: sale.facts.partition,
            context: None,
        };
        match self.publisher.publish(message, Wait::AtMost(WAIT)).await {
            Publication::Acknowledged => {}
            Publication::Waiting => return Err(ChangeError::NotPublished),
        }
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE, deadline);
        loop {
            let row = statuses.row(order_id, ReadClass::Unknown).await;
            let row = row.ok().flatten();
            if let Some(row) = row.filter(|row| row.status == OrderStatus::Cancelled) {
                self.sales.forget(&sale.facts.product);
                tracing::info!(order.id = %order_id, "order of a sale that is over cancelled");
                return Ok(OrderView::written(order_id, row));
            }
            if !pauses.wait().await {
                return Err(ChangeError::NotWritten);
            }
        }
    }
}

/// The cancel of an order that Redis no longer has. Its number has sequence 0, which no count of numbers includes, and the
/// epoch of the ledger, which is not below the fence. `None` if the row holds what no worker writes.
fn event(
    order_id: OrderId,
    row: &WrittenOrder,
    sale: &SaleView,
    now: Timestamp,
) -> Option<OrderCancelled> {
    Some(OrderCancelled {
        order: OrderReserved {
            order_id,
            product_id: sale.facts.product.clone(),
            user_id: UserId::parse(&row.user_id).ok()?,
            quantity: Quantity::try_from(i64::from(row.quantity)).ok()?,
            epoch: row.number.epoch,
            sequence: row.number.sequence,
            placed_at: row.placed_at,
        },
        cancel_epoch: sale.number.epoch,
        cancel_sequence: 0,
        cancelled_at: now,
        cause: CancelCause::Shop,
    })
}
