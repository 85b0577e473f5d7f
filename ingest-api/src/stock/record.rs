use std::str::FromStr;

use fluxgate_core::events::OrderReserved;
use fluxgate_core::ids::{OrderId, ProductId, Quantity, UserId};
use jiff::Timestamp;

use super::{Number, StockError};

/// What Redis keeps of an order: all that its event needs beyond the ids of order and product.
///
/// Written by `reserve.lua` as `epoch-seq placed_at_ms quantity user`. Short text instead of the
/// event's JSON: a million orders of one sale must fit into memory, and Lua should not build JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The reservation's number.
    pub number: Number,
    /// When the units were taken, by Redis's clock.
    pub placed_at: Timestamp,
    /// Units taken.
    pub quantity: Quantity,
    /// Who ordered.
    pub user: UserId,
}

impl Record {
    /// The event that tells everybody else of this order. The same record gives the same event,
    /// whoever publishes it.
    pub fn event(&self, order_id: OrderId, product: &ProductId) -> OrderReserved {
        OrderReserved {
            order_id,
            product_id: product.clone(),
            user_id: self.user.clone(),
            quantity: self.quantity,
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            placed_at: self.placed_at,
        }
    }
}

impl FromStr for Record {
    type Err = StockError;

    fn from_str(text: &str) -> Result<Self, StockError> {
        let read = || {
            let mut parts = text.splitn(4, ' ');
            let mut next = || parts.next();
            Some(Self {
                number: next()?.parse().ok()?,
                placed_at: Timestamp::from_millisecond(next()?.parse().ok()?).ok()?,
                quantity: next()?.parse::<i64>().ok()?.try_into().ok()?,
                user: next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| StockError::unexpected("an order record", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_may_hold_spaces() {
        let record: Record = "1-42 1795219200123 2 Jörg  Müller ".parse().unwrap();
        assert_eq!(record.number.to_string(), "1-42");
        assert_eq!(record.placed_at.as_millisecond(), 1_795_219_200_123);
        assert_eq!(record.quantity.get(), 2);
        assert_eq!(record.user.as_str(), "Jörg  Müller ");
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        for text in ["", "1-1", "1-1 5 1", "1-1 x 1 u", "1-1 5 0 u", "1-1 5 1 "] {
            assert!(text.parse::<Record>().is_err(), "{text:?}");
        }
    }
}
