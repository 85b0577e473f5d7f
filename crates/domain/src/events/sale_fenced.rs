use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;

/// `fluxgate.sale.fenced.v1`: from here on the log takes nothing more of the sale's earlier epochs.
///
/// A rebuild writes it before it reads what was sold: whatever an earlier life of the sale's Redis
/// data still sends afterwards (a handler that was paused, a copy that was cut off) cannot take
/// units that the rebuilt sale sells again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleFenced {
    /// The sale.
    pub product_id: ProductId,
    /// The first epoch that is taken from here on.
    pub epoch: u32,
    /// When the fence was put, by the clock of whoever rebuilds.
    pub fenced_at: Timestamp,
}

impl SaleFenced {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.fenced.v1";
}
