use std::str::FromStr;

use jiff::Timestamp;

use super::{MalformedRecord, millisecond};
use crate::SequenceNumber;
use crate::events::SaleRestocked;
use crate::ids::{ProductId, RestockId, Total};

/// A restock, as Redis keeps it: `epoch-sequence at_ms units`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestockRecord {
    /// The number of the restock.
    pub number: SequenceNumber,
    /// When it was requested, by Redis's clock.
    pub at: Timestamp,
    /// Units added.
    pub units: Total,
}

impl RestockRecord {
    /// The event of this restock.
    pub fn event(&self, id: RestockId, product: &ProductId) -> SaleRestocked {
        SaleRestocked {
            product_id: product.clone(),
            restock_id: id,
            quantity: self.units,
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            restocked_at: self.at,
        }
    }
}

impl FromStr for RestockRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.split(' ');
            Some(Self {
                number: parts.next()?.parse().ok()?,
                at: millisecond(parts.next()?)?,
                units: parts.next()?.parse::<i64>().ok()?.try_into().ok()?,
            })
        };
        read().ok_or_else(|| MalformedRecord::new("restock record", text))
    }
}
