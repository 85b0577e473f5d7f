use std::str::FromStr;

use fluxgate_core::events::{OrderCancelled, OrderReserved};
use fluxgate_core::ids::{OrderId, ProductId, Quantity, UserId};
use jiff::Timestamp;

use super::{Number, StockError};

/// What Redis keeps of an order: all that its events need beyond the ids of order and product.
///
/// Text `epoch-seq placed_at_ms quantity user`, and once it was cancelled
/// `epoch-seq/cancel epoch-seq/cancelled_at_ms placed_at_ms quantity user`. A rebuilt sale has
/// `epoch-seq/rejected placed_at_ms quantity user` for an order that never got its units. Short text instead of
/// the event's JSON: a million orders of one sale must fit into memory, and Lua should not build
/// JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The reservation's number.
    pub number: Number,
    /// How it was cancelled, if it was.
    pub cancel: Option<Cancel>,
    /// Whether the ledger rejected it, so that it holds no units: known of rebuilt sales only.
    pub rejected: bool,
    /// When the units were taken, by Redis's clock.
    pub placed_at: Timestamp,
    /// Units taken.
    pub quantity: Quantity,
    /// Who ordered.
    pub user: UserId,
}

/// That an order's units were asked back. They count once `number` is out of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel {
    /// The cancel's own number.
    pub number: Number,
    /// When it was asked for, by Redis's clock.
    pub at: Timestamp,
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

    /// The event that tells everybody else that this order was cancelled, if it was.
    pub fn cancelled_event(
        &self,
        order_id: OrderId,
        product: &ProductId,
    ) -> Option<OrderCancelled> {
        self.cancel.map(|cancel| OrderCancelled {
            order: self.event(order_id, product),
            cancel_epoch: cancel.number.epoch,
            cancel_sequence: cancel.number.sequence,
            cancelled_at: cancel.at,
        })
    }
}

impl FromStr for Record {
    type Err = StockError;

    fn from_str(text: &str) -> Result<Self, StockError> {
        let read = || {
            let mut parts = text.splitn(4, ' ');
            let mut next = || parts.next();
            let mut numbers = next()?.splitn(2, '/');
            let number = numbers.next()?.parse().ok()?;
            let (cancel, rejected) = match numbers.next() {
                None => (None, false),
                Some("rejected") => (None, true),
                Some(cancel) => (Some(Cancel::read(cancel)?), false),
            };
            Some(Self {
                number,
                cancel,
                rejected,
                placed_at: millisecond(next()?)?,
                quantity: next()?.parse::<i64>().ok()?.try_into().ok()?,
                user: next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| StockError::unexpected("an order record", text))
    }
}

impl Cancel {
    fn read(text: &str) -> Option<Self> {
        let (number, at) = text.split_once('/')?;
        Some(Self {
            number: number.parse().ok()?,
            at: millisecond(at)?,
        })
    }
}

fn millisecond(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_may_hold_spaces_and_slashes() {
        let record: Record = "1-42 1795219200123 2 J/rg  Müller ".parse().unwrap();
        assert_eq!(record.number.to_string(), "1-42");
        assert_eq!(record.cancel, None);
        assert_eq!(record.placed_at.as_millisecond(), 1_795_219_200_123);
        assert_eq!(record.quantity.get(), 2);
        assert_eq!(record.user.as_str(), "J/rg  Müller ");
    }

    #[test]
    fn a_cancelled_order_keeps_both_numbers() {
        let record: Record = "1-42/2-7/1795219200999 1795219200123 2 u".parse().unwrap();
        let cancel = record.cancel.unwrap();
        assert_eq!(record.number.to_string(), "1-42");
        assert_eq!(cancel.number.to_string(), "2-7");
        assert_eq!(cancel.at.as_millisecond(), 1_795_219_200_999);
    }

    #[test]
    fn a_rejected_order_says_so() {
        let record: Record = "1-42/rejected 1795219200123 2 u".parse().unwrap();
        assert!(record.rejected);
        assert_eq!(record.cancel, None);
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        for text in [
            "",
            "1-1",
            "1-1 5 1",
            "1-1 x 1 u",
            "1-1 5 0 u",
            "1-1 5 1 ",
            "1-1/ 5 1 u",
            "1-1/1-2 5 1 u",
        ] {
            assert!(text.parse::<Record>().is_err(), "{text:?}");
        }
    }
}
