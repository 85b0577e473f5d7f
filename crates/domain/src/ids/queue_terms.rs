use serde::{Serialize, Serializer};

use super::Invalid;
use super::json::whole_number;

whole_number!(
    /// The admission rate: turns that begin in a second, 1-1,000,000.
    AdmitPerSecond,
    "admitPerSecond",
    1..=1_000_000,
    "a whole number from 1 to 1000000"
);

whole_number!(
    /// How long a turn lasts, in seconds: 30-86,400.
    TurnSeconds,
    "turnSeconds",
    30..=86_400,
    "a whole number from 30 to 86400"
);

whole_number!(
    /// Most turns that are open at a time, for each unit that is left: 1-20.
    Overbook,
    "overbook",
    1..=20,
    "a whole number from 1 to 20"
);

/// Whether the orders of a sale with a queue need turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueMode {
    /// They do.
    #[default]
    Queue,
    /// They do not, and need no tickets.
    Pass,
}

super::json::deserialize!(QueueMode, deserialize_str, visit_str(&str));

impl QueueMode {
    const INVALID: Invalid = Invalid {
        field: "mode",
        allowed: "`queue` or `pass`",
    };

    /// Reads its text.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut all = [Self::Queue, Self::Pass].into_iter();
        all.find(|mode| mode.as_str() == text).ok_or(Self::INVALID)
    }

    /// The inverse of [`Self::parse`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Pass => "pass",
        }
    }
}

impl Serialize for QueueMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl TurnSeconds {
    /// Without the term.
    pub const DEFAULT: Self = Self(300);
}

impl Overbook {
    /// Without the term: not everybody whose turn it is orders.
    pub const DEFAULT: Self = Self(3);
}

#[cfg(test)]
mod tests {
    use super::{AdmitPerSecond, Overbook, TurnSeconds};

    #[test]
    fn numbers_outside_their_range_are_refused() {
        for (number, in_range) in [
            (0, [false; 3]),
            (1, [true, false, true]),
            (20, [true, false, true]),
            (21, [true, false, false]),
            (29, [true, false, false]),
            (30, [true, true, false]),
            (86_400, [true, true, false]),
            (86_401, [true, false, false]),
            (1_000_000, [true, false, false]),
            (1_000_001, [false; 3]),
        ] {
            let found = [
                AdmitPerSecond::try_from(number).is_ok(),
                TurnSeconds::try_from(number).is_ok(),
                Overbook::try_from(number).is_ok(),
            ];
            assert_eq!(found, in_range, "{number}");
        }
    }
}
