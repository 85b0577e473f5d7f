use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, ProductId, Quantity, UserId};

/// `fluxgate.order.reserved.v1`: units were taken in Redis for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderReserved {
    /// The order; also the event's `ce_id`.
    pub order_id: OrderId,
    /// The sale it is in.
    pub product_id: ProductId,
    /// Who ordered.
    pub user_id: UserId,
    /// Units taken.
    pub quantity: Quantity,
    /// Which life of the sale's Redis data numbered it, from 1.
    pub epoch: u32,
    /// Its number within the epoch, from 1 without a gap.
    pub sequence: u32,
    /// When Redis took the units, by Redis's clock, to the millisecond.
    pub placed_at: Timestamp,
}

impl OrderReserved {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.order.reserved.v1";
}
