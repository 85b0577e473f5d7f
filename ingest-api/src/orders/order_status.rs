use std::sync::Arc;

use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::records::OrderRecord;
use fluxgate_domain::{OrderStatus, SequenceNumber};
use fluxgate_gate::{GateError, ReservationStore, StoredOrder};
use fluxgate_ledger::{LedgerReader, Unavailable, WrittenOrder};
use jiff::Timestamp;
use quick_cache::sync::Cache;
use serde::Serialize;

/// An order, as `GET /orders/{id}` answers it.
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

    /// The view of an order in Redis.
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

/// Why the status of an order is not known.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// No store knows the order.
    #[error("no such order")]
    Unknown,
    /// PostgreSQL is unavailable, and may have a later status than Redis.
    #[error(transparent)]
    Ledger(#[from] Unavailable),
    /// Redis is unavailable, and may know the order or a cancel that PostgreSQL does not have yet.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// Written orders that an instance remembers, so that repeated retries read PostgreSQL once.
const WRITTEN_MAX: usize = 100_000;

/// Reads the status of orders: the furthest that Redis and PostgreSQL know.
#[derive(Clone)]
pub struct OrderStatusReader {
    store: ReservationStore,
    ledger: Option<LedgerReader>,
    written: Arc<Cache<OrderId, OrderStatus>>,
}

impl OrderStatusReader {
    /// A reader of both stores. Without a ledger, a status ends at `accepted`.
    pub fn new(store: ReservationStore, ledger: Option<LedgerReader>) -> Self {
        Self {
            store,
            ledger,
            written: Arc::new(Cache::new(WRITTEN_MAX)),
        }
    }

    /// The status of an order that is on Kafka, given its number in Redis. While PostgreSQL is unavailable the status is
    /// `accepted`: a retry must be answered without PostgreSQL.
    pub async fn at_least_accepted(
        &self,
        order_id: OrderId,
        number: SequenceNumber,
    ) -> OrderStatus {
        if let Some(status) = self.written.get(&order_id) {
            return status;
        }
        match self.row(order_id).await {
            Ok(Some(row)) if row.status == OrderStatus::Rejected && row.number < number => {
                OrderStatus::Accepted
            }
            Ok(Some(row)) => row.status,
            Ok(None) | Err(Unavailable) => OrderStatus::Accepted,
        }
    }

    /// An order with its status.
    ///
    /// # Errors
    /// If no store knows the order, or if the store that may know a later status is unavailable: an older status would
    /// contradict an earlier answer.
    pub async fn find(&self, order_id: OrderId) -> Result<OrderView, StatusError> {
        let (row, stored) = tokio::join!(self.row(order_id), self.store.order(order_id));
        let view = |stored: &StoredOrder| {
            let status = status_in_redis(stored);
            OrderView::of(order_id, &stored.product, &stored.record, status)
        };
        match (row, stored) {
            // No status is later. Redis applies a cancel before the worker writes it.
            (_, Ok(Some(stored))) if stored.cancelled => Ok(view(&stored)),
            // The key was used again after a rebuild without the rejected order.
            (Ok(Some(row)), Ok(Some(stored)))
                if row.status == OrderStatus::Rejected
                    && row.number < stored.record.number
                    && !stored.record.rejected =>
            {
                Ok(view(&stored))
            }
            // Redis may have applied a cancel.
            (Ok(Some(row)), Err(error)) if row.status == OrderStatus::Confirmed => {
                Err(error.into())
            }
            (Ok(Some(row)), _) => {
                let status = row.status;
                Ok(OrderView::written(order_id, row, status))
            }
            (row, stored) => {
                let stored = stored?;
                row?;
                stored.as_ref().map(view).ok_or(StatusError::Unknown)
            }
        }
    }

    async fn row(&self, order_id: OrderId) -> Result<Option<WrittenOrder>, Unavailable> {
        let Some(ledger) = &self.ledger else {
            return Ok(None);
        };
        let order = ledger.order(order_id).await?;
        // The key of a rejected order can be used again after a rebuild.
        let lasting = order
            .as_ref()
            .filter(|row| row.status != OrderStatus::Rejected);
        if let Some(row) = lasting {
            self.written.insert(order_id, row.status);
        }
        Ok(order)
    }
}

/// The status that Redis alone gives an order.
fn status_in_redis(order: &StoredOrder) -> OrderStatus {
    if order.record.rejected {
        OrderStatus::Rejected
    } else if order.cancelled {
        OrderStatus::Cancelled
    } else if order.waiting {
        OrderStatus::Reserved
    } else {
        OrderStatus::Accepted
    }
}
