use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;
use crate::{SequenceNumber, Terms};

/// `fluxgate.sale.amended.v1`: a sale that nobody had ordered from got other terms.
///
/// Orders under the new terms may be read before it. If a sale is amended several times, the highest number counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleAmended {
    /// Names the sale.
    pub product_id: ProductId,
    /// When the sale opens; the time in its order ids stays.
    pub opens_at: Timestamp,
    /// Everything that is said about the sale now.
    pub terms: Terms,
    /// Epoch of the amendment's number, from 1.
    pub epoch: u32,
    /// Sequence within the epoch.
    pub sequence: u32,
    /// When it was requested, by Redis's clock, to the millisecond.
    pub amended_at: Timestamp,
}

impl SaleAmended {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.amended.v1";

    /// The number of the amendment.
    pub fn number(&self) -> SequenceNumber {
        SequenceNumber::new(self.epoch, self.sequence)
    }
}
