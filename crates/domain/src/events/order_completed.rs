use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OrderReserved;
use crate::SequenceNumber;
use crate::order_facts::OrderFact;

/// `fluxgate.order.completed.v1`: an order was paid; it keeps its units.
///
/// It carries the whole order, so a consumer may read it before the order itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCompleted {
    /// The order, with the number of its reservation.
    #[serde(flatten)]
    pub order: OrderReserved,
    /// Epoch of the completion's own number.
    pub completion_epoch: u32,
    /// Sequence of the completion's own number.
    pub completion_sequence: u32,
    /// When it was requested, by Redis's clock, to the millisecond.
    pub completed_at: Timestamp,
}

impl OrderCompleted {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.order.completed.v1";

    /// What it adds to its order.
    pub fn fact(&self) -> OrderFact {
        let (epoch, sequence) = (self.completion_epoch, self.completion_sequence);
        OrderFact::Completion(SequenceNumber::new(epoch, sequence))
    }
}
