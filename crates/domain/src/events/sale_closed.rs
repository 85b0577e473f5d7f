use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;

/// `fluxgate.sale.closed.v1`: a sale was closed by an admin; it takes no more orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleClosed {
    /// Names the sale.
    pub product_id: ProductId,
    /// Epoch of the closing's number, from 1.
    pub epoch: u32,
    /// Sequence within the epoch.
    pub sequence: u32,
    /// When it closed, by Redis's clock, to the millisecond.
    pub closed_at: Timestamp,
}

impl SaleClosed {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.closed.v1";
}
