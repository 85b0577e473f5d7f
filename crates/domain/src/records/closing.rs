use jiff::Timestamp;

use super::millisecond;
use crate::SequenceNumber;
use crate::events::SaleClosed;
use crate::ids::ProductId;

/// That a sale was closed by an admin, as Redis keeps it: `epoch-sequence at_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosingRecord {
    /// The number of the closing.
    pub number: SequenceNumber,
    /// When, by Redis's clock.
    pub at: Timestamp,
}

impl ClosingRecord {
    /// Reads a record; `None` if the text is none.
    pub fn read(text: &str) -> Option<Self> {
        let (number, at) = text.split_once(' ')?;
        Some(Self {
            number: number.parse().ok()?,
            at: millisecond(at)?,
        })
    }

    /// The event of this closing.
    pub fn event(&self, product: &ProductId) -> SaleClosed {
        SaleClosed {
            product_id: product.clone(),
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            closed_at: self.at,
        }
    }
}
