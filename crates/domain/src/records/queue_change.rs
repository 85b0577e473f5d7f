use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::{MalformedRecord, millisecond};
use crate::SequenceNumber;
use crate::events::QueueChanged;
use crate::ids::{ProductId, QueueChangeId};
use crate::queue::QueueSettings;

/// A change of a queue, as Redis keeps it: `epoch-sequence at_ms rate paused mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueChangeRecord {
    /// The number of the change.
    pub number: SequenceNumber,
    /// When it was requested, by Redis's clock.
    pub at: Timestamp,
    /// How the queue is served from then on.
    pub settings: QueueSettings,
}

impl QueueChangeRecord {
    /// The event of this change.
    pub fn event(&self, id: QueueChangeId, product: &ProductId) -> QueueChanged {
        QueueChanged {
            product_id: product.clone(),
            change_id: id,
            settings: self.settings,
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            changed_at: self.at,
        }
    }
}

impl fmt::Display for QueueChangeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_ms = self.at.as_millisecond();
        write!(f, "{} {at_ms} {}", self.number, self.settings)
    }
}

impl FromStr for QueueChangeRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.splitn(3, ' ');
            Some(Self {
                number: parts.next()?.parse().ok()?,
                at: millisecond(parts.next()?)?,
                settings: parts.next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| MalformedRecord::new("queue change record", text))
    }
}
