use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OrderReserved;
use crate::SequenceNumber;
use crate::order_facts::{Cancel, CancelledBy, OrderFact};

/// `fluxgate.order.cancelled.v1`: an order was cancelled or has expired; its units count again.
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
    /// Why; left out of the JSON for `shop`.
    #[serde(default, skip_serializing_if = "CancelCause::is_shop")]
    pub cause: CancelCause,
}

/// Why an order gave its units back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    /// An admin call.
    #[default]
    Shop,
    /// The buyer cancelled it.
    Buyer,
    /// It was not paid in time.
    Expired,
}

impl OrderCancelled {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.order.cancelled.v1";

    /// What it adds to its order.
    pub fn fact(&self) -> OrderFact {
        let number = SequenceNumber::new(self.cancel_epoch, self.cancel_sequence);
        let by = match self.cause {
            CancelCause::Expired => return OrderFact::Expiry(number),
            CancelCause::Shop => CancelledBy::Shop,
            CancelCause::Buyer => CancelledBy::Buyer,
        };
        OrderFact::Cancel(Cancel { number, by })
    }
}

impl CancelCause {
    fn is_shop(&self) -> bool {
        *self == Self::Shop
    }
}
