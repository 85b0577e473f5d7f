use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;

/// `fluxgate.sale.closed.v1`: a sale was ended by hand; it takes no more orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleClosed {
    /// The sale.
    pub product_id: ProductId,
    /// Which life of the sale's Redis data numbered it, from 1.
    pub epoch: u32,
    /// Its number within the epoch.
    pub sequence: u32,
    /// When it closed, by Redis's clock, to the millisecond.
    pub closed_at: Timestamp,
}

impl SaleClosed {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.closed.v1";
}
