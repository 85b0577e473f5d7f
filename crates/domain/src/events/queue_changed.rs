use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SequenceNumber;
use crate::ids::{ProductId, QueueChangeId};
use crate::queue::QueueSettings;

/// `fluxgate.queue.changed.v1`: an admin call has changed how a queue is served.
///
/// It says everything that such calls have set, so of several the highest number counts, in whatever order they are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueChanged {
    /// Names the sale.
    pub product_id: ProductId,
    /// Names the change.
    pub change_id: QueueChangeId,
    /// How the queue is served from now on.
    #[serde(flatten)]
    pub settings: QueueSettings,
    /// Epoch of the change's number, from 1.
    pub epoch: u32,
    /// Sequence within the epoch.
    pub sequence: u32,
    /// When it was requested, by Redis's clock, to the millisecond.
    pub changed_at: Timestamp,
}

impl QueueChanged {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.queue.changed.v1";

    /// The number of the change.
    pub fn number(&self) -> SequenceNumber {
        SequenceNumber::new(self.epoch, self.sequence)
    }
}
