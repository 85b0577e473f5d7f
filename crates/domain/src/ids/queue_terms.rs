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
