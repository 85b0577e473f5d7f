use std::str::FromStr;

use jiff::Timestamp;

use super::{MalformedRecord, millisecond};
use crate::events::SaleAmended;
use crate::ids::ProductId;
use crate::{SequenceNumber, Terms};

/// An amendment of a sale's terms, as Redis keeps it: `epoch-sequence at_ms opens_at_ms terms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmendmentRecord {
    /// The number of the amendment.
    pub number: SequenceNumber,
    /// When it was requested, by Redis's clock.
    pub at: Timestamp,
    /// When the sale opens from then on.
    pub opens_at: Timestamp,
    /// The new terms.
    pub terms: Terms,
}

impl AmendmentRecord {
    /// The event of this amendment.
    pub fn event(&self, product: &ProductId) -> SaleAmended {
        SaleAmended {
            product_id: product.clone(),
            opens_at: self.opens_at,
            terms: self.terms,
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            amended_at: self.at,
        }
    }
}

impl FromStr for AmendmentRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.splitn(4, ' ');
            Some(Self {
                number: parts.next()?.parse().ok()?,
                at: millisecond(parts.next()?)?,
                opens_at: millisecond(parts.next()?)?,
                terms: Terms::read(parts.next()?)?,
            })
        };
        read().ok_or_else(|| MalformedRecord::new("amendment record", text))
    }
}
