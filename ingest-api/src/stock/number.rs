use std::fmt;
use std::str::FromStr;

/// The number Redis gave a reservation, `epoch-sequence`; also the id of its outbox entry.
///
/// Numbers of one sale only grow: within an epoch by one per reservation, and a rebuild of lost
/// Redis data starts a higher epoch. Sequence 0 is the opening of the sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Number {
    /// Which life of the sale's Redis data, from 1.
    pub epoch: u32,
    /// Position within the epoch.
    pub sequence: u32,
}

impl Number {
    /// Both halves in one word whose order is the order of the numbers.
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

    /// Whether this is the entry that opens the sale.
    pub fn is_opening(self) -> bool {
        self.sequence == 0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let (epoch, sequence) = text.split_once('-').ok_or(NotANumber)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| NotANumber)?,
            sequence: sequence.parse().map_err(|_| NotANumber)?,
        })
    }
}

/// The text is not `epoch-sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form epoch-sequence")]
pub struct NotANumber;

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn a_later_epoch_is_higher_than_any_sequence_of_an_earlier_one() {
        let old: Number = "1-4294967295".parse().unwrap();
        let new: Number = "2-0".parse().unwrap();
        assert!(old < new);
        assert!(old.to_bits() < new.to_bits());
        assert_eq!(Number::from_bits(old.to_bits()), old);
        assert_eq!(old.to_string(), "1-4294967295");
    }
}
