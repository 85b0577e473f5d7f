use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::{MalformedRecord, millisecond};
use crate::SequenceNumber;
use crate::events::QueueStarted;
use crate::ids::ProductId;

/// That the queue of a sale has started, as Redis keeps it: `epoch-sequence at_ms joined`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStartRecord {
    /// The number of the start.
    pub number: SequenceNumber,
    /// When Redis saw that the start was over, by its clock.
    pub at: Timestamp,
    /// How many joined before the start; an estimate.
    pub joined: u64,
}

impl QueueStartRecord {
    /// The event of this start.
    pub fn event(&self, product: &ProductId) -> QueueStarted {
        QueueStarted {
            product_id: product.clone(),
            joined: self.joined,
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            started_at: self.at,
        }
    }
}

impl fmt::Display for QueueStartRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_ms = self.at.as_millisecond();
        write!(f, "{} {at_ms} {}", self.number, self.joined)
    }
}

impl FromStr for QueueStartRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.split(' ');
            Some(Self {
                number: parts.next()?.parse().ok()?,
                at: millisecond(parts.next()?)?,
                joined: parts.next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| MalformedRecord::new("queue start record", text))
    }
}
