use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ProductId, RestockId, Total};

/// `fluxgate.sale.restocked.v1`: units were added to a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleRestocked {
    /// Names the sale.
    pub product_id: ProductId,
    /// Derived from product and idempotency key; also the event's `ce_id`.
    pub restock_id: RestockId,
    /// Units added.
    pub quantity: Total,
    /// Epoch of the restock's number, from 1.
    pub epoch: u32,
    /// Sequence within the epoch.
    pub sequence: u32,
    /// When it was requested, by Redis's clock, to the millisecond.
    pub restocked_at: Timestamp,
}

impl SaleRestocked {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.restocked.v1";
}
