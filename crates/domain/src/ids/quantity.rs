use super::Invalid;
use super::json::json_number;

/// Units in one order: 1-1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u16);

json_number!(Quantity);

impl Quantity {
    /// One unit, the default of an order.
    pub const ONE: Self = Self(1);

    const INVALID: Invalid = Invalid {
        field: "quantity",
        allowed: "a whole number from 1 to 1000",
    };

    fn parse(units: impl TryInto<u16>) -> Result<Self, Invalid> {
        match units.try_into() {
            Ok(units @ 1..=1_000) => Ok(Self(units)),
            _ => Err(Self::INVALID),
        }
    }

    /// The number of units.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = Invalid;

    fn try_from(units: i64) -> Result<Self, Invalid> {
        Self::parse(units)
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> i64 {
        quantity.0.into()
    }
}

/// Units in one sale: 1-1,000,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Total(u32);

json_number!(Total);

impl Total {
    /// The largest sale.
    pub const MAX: Self = Self(1_000_000_000);

    const INVALID: Invalid = Invalid {
        field: "quantity of a sale",
        allowed: "a whole number from 1 to 1000000000",
    };

    fn parse(units: impl TryInto<u32>) -> Result<Self, Invalid> {
        match units.try_into() {
            Ok(units) if (1..=Self::MAX.0).contains(&units) => Ok(Self(units)),
            _ => Err(Self::INVALID),
        }
    }

    /// The number of units.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Total {
    type Error = Invalid;

    fn try_from(units: i64) -> Result<Self, Invalid> {
        Self::parse(units)
    }
}

impl From<Total> for i64 {
    fn from(total: Total) -> i64 {
        total.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Quantity, Total};

    #[test]
    fn quantities_outside_their_range_are_refused() {
        for bad in [i64::MIN, -1, 0, 1_001, 65_537, i64::MAX] {
            assert!(Quantity::try_from(bad).is_err(), "{bad}");
        }
        for bad in [i64::MIN, -1, 0, 1_000_000_001, 4_294_967_297, i64::MAX] {
            assert!(Total::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Quantity::try_from(1_000).unwrap().get(), 1_000);
        assert_eq!(Total::try_from(1_000_000_000).unwrap().get(), 1_000_000_000);
    }

    #[test]
    fn json_numbers_must_be_whole() {
        for bad in ["1.5", "1.0", "1e2", "\"1\"", "true", "99999999999999999999"] {
            assert!(serde_json::from_str::<Quantity>(bad).is_err(), "{bad}");
        }
    }
}
