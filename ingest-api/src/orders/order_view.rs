use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::records::OrderRecord;
use fluxgate_ledger::WrittenOrder;
use jiff::Timestamp;
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
    /// Until when it has to be paid, in a sale with holds, if it still has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl OrderView {
    /// The view of an order by its row.
    pub fn written(order_id: OrderId, order: WrittenOrder) -> Self {
        Self {
            order_id,
            product_id: order.product_id,
            user_id: order.user_id,
            quantity: order.quantity,
            status: order.status,
            placed_at: order.placed_at,
            expires_at: None,
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
            expires_at: None,
        }
    }
}
