//! Numbers of reservations and changes, and the series they belong to.

use std::fmt;
use std::str::FromStr;

use crate::ids::ProductId;

/// The number that Redis gave a reservation or a change, `epoch-sequence`; also the id of its outbox entry, unless
/// orders before it are in the same entry.
///
/// The numbers of one [series](NumberSeries) only grow: by one within an epoch, and a rebuild of lost Redis data starts
/// a higher epoch. Sequence 0 is the opening of the sale, and the cancel of an order whose sale has left Redis: neither is
/// counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SequenceNumber {
    /// Counts the rebuilds of the sale's Redis data, from 1.
    pub epoch: u32,
    /// Position within the epoch, from 1 without gaps.
    pub sequence: u32,
}

impl SequenceNumber {
    /// The number of this sequence in this epoch.
    pub const fn new(epoch: u32, sequence: u32) -> Self {
        Self { epoch, sequence }
    }

    /// Both halves in one word, whose order is the order of the numbers: `epoch << 32 | sequence`.
    pub fn to_bits(self) -> u64 {
        u64::from(self.epoch) << 32 | u64::from(self.sequence)
    }

    /// The inverse of [`Self::to_bits`].
    pub fn from_bits(bits: u64) -> Self {
        Self {
            epoch: u32::try_from(bits >> 32).expect("32 bits remain"),
            sequence: u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits remain"),
        }
    }

    /// Whether this is the number of the entry that opens the sale.
    pub fn is_opening(self) -> bool {
        self.sequence == 0
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        let (epoch, sequence) = text.split_once('-').ok_or(InvalidSequenceNumber)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| InvalidSequenceNumber)?,
            sequence: sequence.parse().map_err(|_| InvalidSequenceNumber)?,
        })
    }
}

/// The text is not `epoch-sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form epoch-sequence")]
pub struct InvalidSequenceNumber;

/// One count of [sequence numbers](SequenceNumber): what has one epoch, one last sequence and one high-water mark.
///
/// Each product has one series, named after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NumberSeries(Box<str>);

impl NumberSeries {
    /// The series of a product.
    pub fn of(product: &ProductId) -> Self {
        Self(product.as_str().into())
    }

    /// The name, as it stands in `number_series.series_id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::SequenceNumber;

    #[test]
    fn a_later_epoch_is_higher_than_any_sequence_of_an_earlier_one() {
        let old: SequenceNumber = "1-4294967295".parse().unwrap();
        let new: SequenceNumber = "2-0".parse().unwrap();
        assert!(old < new);
        assert!(old.to_bits() < new.to_bits());
        assert_eq!(SequenceNumber::from_bits(old.to_bits()), old);
        assert_eq!(old.to_string(), "1-4294967295");
    }
}
