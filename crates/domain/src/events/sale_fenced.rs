use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;

/// `fluxgate.sale.fenced.v1`: behind this record, earlier epochs of the sale are not accepted.
///
/// A rebuild writes it before it reads what was sold. An event of an earlier epoch that arrives later (from a paused
/// handler, from an instance that was cut off) cannot take units that the rebuilt sale sells again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleFenced {
    /// Names the sale.
    pub product_id: ProductId,
    /// The first epoch that is accepted from here on.
    pub epoch: u32,
    /// When the fence was written, by the reconciler's clock.
    pub fenced_at: Timestamp,
}

impl SaleFenced {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.fenced.v1";
}
