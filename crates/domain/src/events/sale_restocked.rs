use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ProductId, RestockId, Total};

/// `fluxgate.sale.restocked.v1`: a sale got more units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleRestocked {
    /// The sale.
    pub product_id: ProductId,
    /// Derived from the product and the call's idempotency key; also the event's `ce_id`.
    pub restock_id: RestockId,
    /// Units added.
    pub quantity: Total,
    /// Which life of the sale's Redis data numbered it, from 1.
    pub epoch: u32,
    /// Its number within the epoch.
    pub sequence: u32,
    /// When it was asked for, by Redis's clock, to the millisecond.
    pub restocked_at: Timestamp,
}

impl SaleRestocked {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.restocked.v1";
}
