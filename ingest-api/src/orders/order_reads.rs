//! The two stores' reads of orders, for [`ReadBatcher`](crate::read_batcher::ReadBatcher).

use fluxgate_domain::ids::OrderId;
use fluxgate_gate::{GateError, ORDERS_MAX, ReservationStore, StoredOrder};
use fluxgate_ledger::{LedgerReader, ReadClass, Unavailable, WrittenOrder};

use crate::read_batcher::BatchRead;

/// Orders in Redis.
pub struct OrderRecords(pub ReservationStore);

impl BatchRead for OrderRecords {
    type Key = OrderId;
    type Value = Option<StoredOrder>;
    type Error = GateError;
    const KEYS_MAX: usize = ORDERS_MAX;

    fn name(&self) -> &'static str {
        "order_records"
    }

    async fn read(&self, ids: &[OrderId]) -> Vec<Result<Self::Value, GateError>> {
        self.0.orders(ids).await
    }

    fn not_made() -> GateError {
        GateError::TooManyReads
    }
}

/// Orders in PostgreSQL.
pub struct OrderRows(pub LedgerReader, pub ReadClass);

impl BatchRead for OrderRows {
    type Key = OrderId;
    type Value = Option<WrittenOrder>;
    type Error = Unavailable;
    const KEYS_MAX: usize = LedgerReader::KEYS_MAX;

    fn name(&self) -> &'static str {
        match self.1 {
            ReadClass::Known => "order_rows",
            ReadClass::Unknown => "unknown_order_rows",
        }
    }

    async fn read(&self, ids: &[OrderId]) -> Vec<Result<Self::Value, Unavailable>> {
        self.0.orders(self.1, ids).await
    }

    fn not_made() -> Unavailable {
        Unavailable
    }
}
