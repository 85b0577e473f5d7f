use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OrderReserved;

/// `fluxgate.order.cancelled.v1`: the units of one order are given back.
///
/// It carries its whole order: a consumer that reads it first knows all there is to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order, with the number of its reservation.
    #[serde(flatten)]
    pub order: OrderReserved,
    /// The epoch of the cancel's own number.
    pub cancel_epoch: u32,
    /// The cancel's own number within that epoch.
    pub cancel_sequence: u32,
    /// When it was asked for, by Redis's clock, to the millisecond.
    pub cancelled_at: Timestamp,
}

impl OrderCancelled {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.order.cancelled.v1";
}
