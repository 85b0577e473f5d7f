use std::fmt;

use super::Invalid;
use super::json::{deserialize, json_number};

/// Orders that a sale takes in a second: 1-1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdersPerSecond(u32);

json_number!(OrdersPerSecond);

impl OrdersPerSecond {
    const MAX: u32 = 1_000_000;

    const INVALID: Invalid = Invalid {
        field: "ordersPerSecond",
        allowed: "a whole number from 1 to 1000000",
    };

    fn parse(orders: impl TryInto<u32>) -> Result<Self, Invalid> {
        match orders.try_into() {
            Ok(orders) if (1..=Self::MAX).contains(&orders) => Ok(Self(orders)),
            _ => Err(Self::INVALID),
        }
    }

    /// The number of orders.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for OrdersPerSecond {
    type Error = Invalid;

    fn try_from(orders: u32) -> Result<Self, Invalid> {
        Self::parse(orders)
    }
}

/// Orders that a sale takes of one user in a window: `3/60` is three in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdersPerUser {
    orders: u32,
    seconds: u32,
}

deserialize!(OrdersPerUser, deserialize_str, visit_str(&str));

impl OrdersPerUser {
    const ORDERS_MAX: u32 = 1_000_000;
    /// A week.
    const SECONDS_MAX: u32 = 604_800;

    const INVALID: Invalid = Invalid {
        field: "ordersPerUser",
        allowed: "orders/seconds, such as 3/60, with 1 to 1000000 orders in 1 to 604800 seconds",
    };

    /// # Errors
    /// If the text is not `orders/seconds`, or a number is out of its range.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number = |text: &str, max: u32| {
            let is_digits = text.bytes().all(|it| it.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_digits);
            number.filter(|number| (1..=max).contains(number))
        };
        let read = || {
            let (orders, seconds) = text.split_once('/')?;
            Some(Self {
                orders: number(orders, Self::ORDERS_MAX)?,
                seconds: number(seconds, Self::SECONDS_MAX)?,
            })
        };
        read().ok_or(Self::INVALID)
    }

    /// Orders in a window.
    pub fn orders(self) -> u32 {
        self.orders
    }

    /// The length of the window.
    pub fn seconds(self) -> u32 {
        self.seconds
    }
}

impl fmt::Display for OrdersPerUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.orders, self.seconds)
    }
}

impl serde::Serialize for OrdersPerUser {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orders_of_a_user_are_counted_in_a_window_of_seconds() {
        for (text, orders, seconds) in [
            ("3/60", 3, 60),
            ("01/07", 1, 7),
            ("1000000/604800", 1_000_000, 604_800),
        ] {
            let read = OrdersPerUser::parse(text).unwrap();
            assert_eq!((read.orders(), read.seconds()), (orders, seconds));
        }
        assert_eq!(OrdersPerUser::parse("01/07").unwrap().to_string(), "1/7");
        for bad in [
            "",
            "3",
            "3/",
            "/60",
            "0/60",
            "3/0",
            "+3/60",
            "3/60s",
            "3/60/1",
            "1000001/1",
            "1/604801",
        ] {
            assert!(OrdersPerUser::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_orders_of_a_second_are_a_whole_number() {
        for bad in ["0", "1000001", "1.5", "\"1\"", "-1"] {
            assert!(
                serde_json::from_str::<OrdersPerSecond>(bad).is_err(),
                "{bad}"
            );
        }
        assert_eq!(
            serde_json::from_str::<OrdersPerSecond>("50").unwrap().get(),
            50
        );
    }
}
