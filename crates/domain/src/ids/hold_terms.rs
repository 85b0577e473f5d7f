use super::json::whole_number;

whole_number!(
    /// How long an order holds its units before it is paid, in seconds: 1-86,400.
    HoldSeconds,
    "holdSeconds",
    1..=86_400,
    "a whole number from 1 to 86400"
);

whole_number!(
    /// How much longer a payment is accepted than a buyer is told, in seconds: 0-3,600.
    HoldGraceSeconds,
    "holdGraceSeconds",
    0..=3_600,
    "a whole number from 0 to 3600"
);

whole_number!(
    /// Orders that one user may leave unpaid: 1-1,000.
    UnpaidPerUser,
    "unpaidPerUser",
    1..=1_000,
    "a whole number from 1 to 1000"
);

impl HoldGraceSeconds {
    /// Payment notifications arrive late.
    pub const DEFAULT: Self = Self(30);
}

impl UnpaidPerUser {
    /// Without the term.
    pub const DEFAULT: Self = Self(2);
}

#[cfg(test)]
mod tests {
    use super::{HoldGraceSeconds, HoldSeconds, UnpaidPerUser};

    #[test]
    fn numbers_outside_their_range_are_refused() {
        for (number, in_range) in [
            (0, [false, true, false]),
            (1, [true; 3]),
            (1_001, [true, true, false]),
            (3_601, [true, false, false]),
            (86_401, [false; 3]),
        ] {
            let found = [
                HoldSeconds::try_from(number).is_ok(),
                HoldGraceSeconds::try_from(number).is_ok(),
                UnpaidPerUser::try_from(number).is_ok(),
            ];
            assert_eq!(found, in_range, "{number}");
        }
    }
}
