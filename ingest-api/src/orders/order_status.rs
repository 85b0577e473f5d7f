use std::sync::Arc;

use fluxgate_domain::ids::OrderId;
use fluxgate_domain::records::OrderRecord;
use fluxgate_domain::{OrderStatus, SequenceNumber};
use fluxgate_gate::{GateError, ReservationStore, StoredOrder};
use fluxgate_ledger::{LedgerReader, ReadClass, Unavailable, WrittenOrder};
use fluxgate_service::essential_tasks::EssentialTasks;
use jiff::Timestamp;
use quick_cache::sync::Cache;

use super::OrderView;
use super::order_reads::{OrderRecords, OrderRows};
use crate::metrics::Metrics;
use crate::read_batcher::{ReadBatcher, ReadLimits, RowBatchers};
use crate::sales::{ChangeError, SaleCache, SaleLookupError};

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

impl From<StatusError> for ChangeError {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::Unknown => Self::UnknownOrder,
            StatusError::Ledger(_) => SaleLookupError::Undecided.into(),
            StatusError::Gate(error) => error.into(),
        }
    }
}

/// Written orders that an instance remembers, so that repeated retries read PostgreSQL once.
const WRITTEN_MAX: usize = 100_000;

/// What the readers of all HTTP threads share.
#[derive(Clone)]
pub struct OrderStatuses {
    ledger: Option<LedgerReader>,
    sales: Arc<SaleCache>,
    written: Arc<Cache<OrderId, OrderStatus>>,
    limits: ReadLimits,
    metrics: Metrics,
    tasks: EssentialTasks,
}

impl OrderStatuses {
    /// Without a ledger, a status ends at `accepted`.
    pub fn new(
        ledger: Option<LedgerReader>,
        sales: Arc<SaleCache>,
        limits: ReadLimits,
        metrics: Metrics,
        tasks: EssentialTasks,
    ) -> Self {
        Self {
            ledger,
            sales,
            written: Arc::new(Cache::new(WRITTEN_MAX)),
            limits,
            metrics,
            tasks,
        }
    }

    /// The reader of the calling HTTP thread.
    pub fn on_this_thread(&self, store: ReservationStore) -> OrderStatusReader {
        let rows = self.ledger.as_ref().map(|ledger| {
            let ledger = ledger.on_this_thread();
            let rows = |class| OrderRows(ledger.clone(), class);
            RowBatchers::start(rows, self.limits, &self.metrics, &self.tasks)
        });
        let records = OrderRecords(store.clone());
        let limits = self.limits.records();
        OrderStatusReader {
            records: ReadBatcher::start(records, limits, &self.metrics, &self.tasks),
            rows,
            sales: Arc::clone(&self.sales),
            written: Arc::clone(&self.written),
            store,
        }
    }
}

/// Reads the status of orders: the furthest that Redis and PostgreSQL know. Redis is asked first: it says which orders
/// are known, and whatever an earlier answer was based on is in Redis then, or in PostgreSQL afterwards.
pub struct OrderStatusReader {
    store: ReservationStore,
    records: ReadBatcher<OrderRecords>,
    rows: Option<RowBatchers<OrderRows>>,
    sales: Arc<SaleCache>,
    written: Arc<Cache<OrderId, OrderStatus>>,
}

impl OrderStatusReader {
    /// The status of an order that is on Kafka, given its number in Redis. While PostgreSQL is unavailable the status is
    /// `accepted`: a retry must be answered without PostgreSQL. With `has_holds` the row may have changed since it was read.
    pub async fn at_least_accepted(
        &self,
        order_id: OrderId,
        number: SequenceNumber,
        has_holds: bool,
    ) -> OrderStatus {
        if let Some(status) = self.written.get(&order_id).filter(|_| !has_holds) {
            return status;
        }
        match self.row(order_id, ReadClass::Known).await {
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
        let (order, _) = self.find_with_record(order_id).await?;
        Ok(order)
    }

    /// An order with its status, and its record if Redis has one.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_with_record(
        &self,
        order_id: OrderId,
    ) -> Result<(OrderView, Option<OrderRecord>), StatusError> {
        let stored = self.records.read(order_id).await;
        let mut order = self.find_latest(order_id, &stored).await?;
        let stored = stored.ok().flatten();
        if let Some(stored) = &stored {
            order.expires_at = self.expires_at(stored, order.status).await;
        }
        Ok((order, stored.map(|stored| stored.record)))
    }

    /// An order with its latest status, given what Redis has of it.
    async fn find_latest(
        &self,
        order_id: OrderId,
        stored: &Result<Option<StoredOrder>, GateError>,
    ) -> Result<OrderView, StatusError> {
        // No status is later than `cancelled`, and Redis has it before PostgreSQL.
        if let Ok(Some(stored)) = stored
            && self.is_cancelled(order_id, stored).await?
        {
            return Ok(view(order_id, stored, OrderStatus::Cancelled));
        }
        let class = match stored {
            Ok(Some(_)) => ReadClass::Known,
            Ok(None) | Err(_) => ReadClass::Unknown,
        };
        match (self.row(order_id, class).await, stored) {
            // The key was used again after a rebuild without the rejected order.
            (Ok(Some(row)), Ok(Some(stored)))
                if row.status == OrderStatus::Rejected
                    && row.number < stored.record.number
                    && !stored.record.rejected =>
            {
                self.in_redis(order_id, stored).await
            }
            // Redis may have applied an expiry that has no row yet.
            (Ok(Some(row)), Ok(Some(stored)))
                if row.status.rank() < OrderStatus::Expired.rank() =>
            {
                match self.has_expired(order_id, stored).await? {
                    true => Ok(view(order_id, stored, OrderStatus::Expired)),
                    false => Ok(OrderView::written(order_id, row)),
                }
            }
            // Redis may have applied a cancel.
            (Ok(Some(row)), Err(error)) if row.status.is_sold() => Err(error.clone().into()),
            (Ok(Some(row)), _) => Ok(OrderView::written(order_id, row)),
            (row, stored) => {
                let stored = stored.as_ref().map_err(GateError::clone)?;
                row?;
                let stored = stored.as_ref().ok_or(StatusError::Unknown)?;
                self.in_redis(order_id, stored).await
            }
        }
    }

    async fn expires_at(&self, stored: &StoredOrder, status: OrderStatus) -> Option<Timestamp> {
        let sale = self.sales.find_in_redis(&stored.product).await.ok()??;
        self.sales.expires_at(&sale, &stored.record, status).await
    }

    /// The row of an order.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn row(
        &self,
        order_id: OrderId,
        class: ReadClass,
    ) -> Result<Option<WrittenOrder>, Unavailable> {
        let Some(rows) = &self.rows else {
            return Ok(None);
        };
        let order = rows.read(class, order_id).await?;
        // The key of a rejected order can be used again after a rebuild.
        let lasting = order
            .as_ref()
            .filter(|row| row.status != OrderStatus::Rejected);
        if let Some(row) = lasting
            && self
                .written
                .get(&order_id)
                .is_none_or(|known| known.rank() < row.status.rank())
        {
            self.written.insert(order_id, row.status);
        }
        Ok(order)
    }

    /// The view that Redis alone gives of an order. Called after PostgreSQL was read: an entry that is gone from the outbox
    /// is on Kafka.
    async fn in_redis(
        &self,
        order_id: OrderId,
        stored: &StoredOrder,
    ) -> Result<OrderView, StatusError> {
        let StoredOrder { product, record } = stored;
        let status = if record.rejected {
            OrderStatus::Rejected
        } else if self.has_expired(order_id, stored).await? {
            OrderStatus::Expired
        } else {
            let number = record.number;
            match self.store.is_waiting(order_id, product, number).await? {
                true => OrderStatus::Reserved,
                false => OrderStatus::Accepted,
            }
        };
        Ok(view(order_id, stored, status))
    }

    /// Whether the order was cancelled and its units count again.
    async fn is_cancelled(
        &self,
        order_id: OrderId,
        stored: &StoredOrder,
    ) -> Result<bool, GateError> {
        let cancel = stored.record.cancel.map(|cancel| cancel.number);
        self.is_applied(order_id, stored, cancel).await
    }

    /// Whether the order was not paid in time and its units count again.
    async fn has_expired(
        &self,
        order_id: OrderId,
        stored: &StoredOrder,
    ) -> Result<bool, GateError> {
        let expiry = stored.record.expiry.map(|expiry| expiry.number);
        self.is_applied(order_id, stored, expiry).await
    }

    /// Whether the event with this number has left the outbox.
    async fn is_applied(
        &self,
        order_id: OrderId,
        stored: &StoredOrder,
        number: Option<SequenceNumber>,
    ) -> Result<bool, GateError> {
        let Some(number) = number else {
            return Ok(false);
        };
        let waits = self.store.is_waiting(order_id, &stored.product, number);
        Ok(!waits.await?)
    }
}

fn view(order_id: OrderId, stored: &StoredOrder, status: OrderStatus) -> OrderView {
    OrderView::of(order_id, &stored.product, &stored.record, status)
}
