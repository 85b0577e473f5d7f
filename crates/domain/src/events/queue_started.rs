use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SequenceNumber;
use crate::ids::ProductId;

/// `fluxgate.queue.started.v1`: the sale of a queue has started; who joins from now on joins behind those who joined before.
///
/// If Redis has lost a start, another one may follow, under another number: a queue that has started stays started, and the
/// largest `joined` counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStarted {
    /// Names the sale.
    pub product_id: ProductId,
    /// How many joined before the start; an estimate.
    pub joined: u64,
    /// Epoch of the start's number, from 1.
    pub epoch: u32,
    /// Sequence within the epoch.
    pub sequence: u32,
    /// When Redis saw that the start was over, by its clock, to the millisecond.
    pub started_at: Timestamp,
}

impl QueueStarted {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.queue.started.v1";

    /// The number of the start.
    pub fn number(&self) -> SequenceNumber {
        SequenceNumber::new(self.epoch, self.sequence)
    }
}
