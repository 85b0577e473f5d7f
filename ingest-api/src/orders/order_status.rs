use std::sync::Arc;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::{OrderId, ProductId};
use jiff::Timestamp;
use quick_cache::sync::Cache;
use serde::Serialize;

use crate::ledger::{Ledger, Unavailable, WrittenOrder};
use fluxgate_domain::SequenceNumber;
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::{GateError, ReservationStore, StoredOrder};

/// An order, as `GET /orders/{id}` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct OrderView {
    pub order_id: OrderId,
    pub product_id: String,
    pub user_id: String,
    pub quantity: i32,
    pub status: OrderStatus,
    pub placed_at: Timestamp,
}

impl OrderView {
    fn written(order_id: OrderId, order: WrittenOrder, status: OrderStatus) -> Self {
        Self {
            order_id,
            product_id: order.product_id,
            user_id: order.user_id,
            quantity: order.quantity,
            status,
            placed_at: order.placed_at,
        }
    }

    /// The view of an order that Redis knows.
    pub fn of(
        order_id: OrderId,
        product: &ProductId,
        record: &OrderRecord,
        status: OrderStatus,
    ) -> Self {
        Self {
            order_id,
            product_id: product.to_string(),
            user_id: record.user.to_string(),
            quantity: record.quantity.get().into(),
            status,
            placed_at: record.placed_at,
        }
    }
}

/// Why nobody can tell how far an order has come.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// No store knows it.
    #[error("there is no such order")]
    Unknown,
    /// PostgreSQL does not answer, and it may be further than Redis knows.
    #[error(transparent)]
    Ledger(#[from] Unavailable),
    /// Redis does not answer, and may know more: PostgreSQL does not have it (yet), or does not have
    /// its cancel (yet).
    #[error(transparent)]
    ReservationStore(#[from] GateError),
}

/// Confirmed orders that one copy remembers, so that retries in a row ask PostgreSQL once.
const REMEMBERED_MAX: usize = 100_000;

/// Reads how far orders have come: the furthest of Redis and PostgreSQL.
#[derive(Clone)]
pub struct OrderStatusReader {
    store: ReservationStore,
    ledger: Option<Ledger>,
    written: Arc<Cache<OrderId, OrderStatus>>,
}

impl OrderStatusReader {
    /// Without a ledger, a status ends at `accepted`.
    pub fn new(store: ReservationStore, ledger: Option<Ledger>) -> Self {
        Self {
            store,
            ledger,
            written: Arc::new(Cache::new(REMEMBERED_MAX)),
        }
    }

    /// The status of an order that is known to be on Kafka, with the number that Redis has of it. A
    /// silent PostgreSQL leaves it at `accepted`: a retry must be answered while only PostgreSQL is
    /// away.
    pub async fn at_least_accepted(
        &self,
        order_id: OrderId,
        number: SequenceNumber,
    ) -> OrderStatus {
        if let Some(status) = self.written.get(&order_id) {
            return status;
        }
        match self.row(order_id).await {
            Ok(Some((OrderStatus::Rejected, row))) if row.number < number => OrderStatus::Accepted,
            Ok(Some((status, _))) => status,
            Ok(None) | Err(Unavailable) => OrderStatus::Accepted,
        }
    }

    /// An order with its status.
    ///
    /// # Errors
    /// When no store knows it, or when the store that would know more does not answer: an answer
    /// then could take back what an earlier one said.
    pub async fn find(&self, order_id: OrderId) -> Result<OrderView, StatusError> {
        let (row, kept) = tokio::join!(self.row(order_id), self.store.order(order_id));
        let view = |kept: &StoredOrder| {
            OrderView::of(order_id, &kept.product, &kept.record, status_in_redis(kept))
        };
        match (row, kept) {
            // Its key was taken again, by a sale that was rebuilt without it.
            (Ok(Some((OrderStatus::Rejected, row))), Ok(Some(kept)))
                if row.number < kept.record.number && !kept.record.rejected =>
            {
                Ok(view(&kept))
            }
            // A cancel counts in Redis a moment before its row says so.
            (Ok(Some((OrderStatus::Confirmed, row))), kept) => {
                let status = match kept?.is_some_and(|kept| kept.cancelled) {
                    true => OrderStatus::Cancelled,
                    false => OrderStatus::Confirmed,
                };
                Ok(OrderView::written(order_id, row, status))
            }
            (Ok(Some((status, row))), _) => Ok(OrderView::written(order_id, row, status)),
            (row, kept) => {
                let kept = kept?;
                row?;
                kept.as_ref().map(view).ok_or(StatusError::Unknown)
            }
        }
    }

    async fn row(
        &self,
        order_id: OrderId,
    ) -> Result<Option<(OrderStatus, WrittenOrder)>, Unavailable> {
        let Some(ledger) = &self.ledger else {
            return Ok(None);
        };
        let Some(order) = ledger.order(order_id).await? else {
            return Ok(None);
        };
        let Some(status) = order
            .status
            .parse::<OrderStatus>()
            .ok()
            .filter(|status| status.is_written())
        else {
            tracing::error!(order.id = %order_id, order.status = order.status,
                "PostgreSQL holds a status that this build does not know");
            return Err(Unavailable);
        };
        // A rejected order's key can be taken again, once its sale was rebuilt.
        if status != OrderStatus::Rejected {
            self.written.insert(order_id, status);
        }
        Ok(Some((status, order)))
    }
}

/// How far an order is by Redis alone.
fn status_in_redis(kept: &StoredOrder) -> OrderStatus {
    if kept.record.rejected {
        OrderStatus::Rejected
    } else if kept.cancelled {
        OrderStatus::Cancelled
    } else if kept.waiting {
        OrderStatus::Reserved
    } else {
        OrderStatus::Accepted
    }
}
