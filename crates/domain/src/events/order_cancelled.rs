use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OrderReserved;

/// `fluxgate.order.cancelled.v1`: an order was cancelled; its units count again.
///
/// It carries the whole order, so a consumer may read it before the order itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order, with the number of its reservation.
    #[serde(flatten)]
    pub order: OrderReserved,
    /// Epoch of the cancel's own number.
    pub cancel_epoch: u32,
    /// Sequence of the cancel's own number.
    pub cancel_sequence: u32,
    /// When it was requested, by Redis's clock, to the millisecond.
    pub cancelled_at: Timestamp,
}

impl OrderCancelled {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.order.cancelled.v1";
}
