use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, ProductId, Quantity, UserId};

/// `fluxgate.order.reserved.v1`: units were reserved in Redis for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderReserved {
    /// Also the event's `ce_id`.
    pub order_id: OrderId,
    /// Names the sale.
    pub product_id: ProductId,
    /// The buyer.
    pub user_id: UserId,
    /// Units reserved.
    pub quantity: Quantity,
    /// Epoch of the order's number, from 1.
    pub epoch: u32,
    /// Sequence within the epoch, from 1 without gaps.
    pub sequence: u32,
    /// When the units were reserved, by Redis's clock, to the millisecond.
    pub placed_at: Timestamp,
}

impl OrderReserved {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.order.reserved.v1";
}
