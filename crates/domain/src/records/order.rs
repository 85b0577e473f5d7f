use std::str::FromStr;

use crate::events::{CancelCause, OrderCancelled, OrderReserved};
use crate::ids::{OrderId, ProductId, Quantity, UserId};
use jiff::Timestamp;

use super::{MalformedRecord, millisecond};
use crate::SequenceNumber;

/// An order, as Redis keeps it: all that its events need beyond the ids of order and product.
///
/// | order | text |
/// |---|---|
/// | taken | `epoch-sequence placed_at_ms quantity user` |
/// | cancelled | `epoch-sequence/epoch-sequence of the cancel/cancelled_at_ms placed_at_ms quantity user` |
/// | rejected by the ledger, in a rebuilt sale | `epoch-sequence/rejected placed_at_ms quantity user` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// The number of the reservation.
    pub number: SequenceNumber,
    /// The cancel, if it was cancelled.
    pub cancel: Option<CancelRecord>,
    /// Whether the ledger rejected it, so that it holds no units. Only set in rebuilt sales.
    pub rejected: bool,
    /// When the units were taken, by Redis's clock.
    pub placed_at: Timestamp,
    /// Units taken.
    pub quantity: Quantity,
    /// Who ordered.
    pub user: UserId,
}

/// The cancel of an order. The units count again once `number` is out of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelRecord {
    /// The cancel's own number.
    pub number: SequenceNumber,
    /// When it was requested, by Redis's clock.
    pub at: Timestamp,
}

impl OrderRecord {
    /// The event of this order. The same record gives the same event on every instance.
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

    /// The event of the cancel; `None` if the order was not cancelled.
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
            cause: CancelCause::Shop,
        })
    }
}

impl FromStr for OrderRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.splitn(4, ' ');
            let mut next = || parts.next();
            let mut numbers = next()?.splitn(2, '/');
            let number = numbers.next()?.parse().ok()?;
            let (cancel, rejected) = match numbers.next() {
                None => (None, false),
                Some("rejected") => (None, true),
                Some(cancel) => (Some(CancelRecord::read(cancel)?), false),
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
        read().ok_or_else(|| MalformedRecord::new("order record", text))
    }
}

impl CancelRecord {
    fn read(text: &str) -> Option<Self> {
        let (number, at) = text.split_once('/')?;
        Some(Self {
            number: number.parse().ok()?,
            at: millisecond(at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_may_hold_spaces_and_slashes() {
        let record: OrderRecord = "1-42 1795219200123 2 J/rg  Müller ".parse().unwrap();
        assert_eq!(record.number.to_string(), "1-42");
        assert_eq!(record.cancel, None);
        assert_eq!(record.placed_at.as_millisecond(), 1_795_219_200_123);
        assert_eq!(record.quantity.get(), 2);
        assert_eq!(record.user.as_str(), "J/rg  Müller ");
    }

    #[test]
    fn a_cancelled_order_keeps_both_numbers() {
        let record: OrderRecord = "1-42/2-7/1795219200999 1795219200123 2 u".parse().unwrap();
        let cancel = record.cancel.unwrap();
        assert_eq!(record.number.to_string(), "1-42");
        assert_eq!(cancel.number.to_string(), "2-7");
        assert_eq!(cancel.at.as_millisecond(), 1_795_219_200_999);
    }

    #[test]
    fn a_rejected_order_says_so() {
        let record: OrderRecord = "1-42/rejected 1795219200123 2 u".parse().unwrap();
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
            assert!(text.parse::<OrderRecord>().is_err(), "{text:?}");
        }
    }
}
