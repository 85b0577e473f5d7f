use std::str::FromStr;

use crate::events::{CancelCause, OrderCancelled, OrderCompleted, OrderReserved};
use crate::ids::{OrderId, ProductId, Quantity, UserId};
use crate::order_facts::CancelledBy;
use jiff::Timestamp;

use super::{MalformedRecord, millisecond};
use crate::SequenceNumber;

/// An order, as Redis keeps it: all that its events need beyond the ids of order and product.
///
/// The text is `epoch-sequence placed_at_ms quantity user`. What became of the order follows its number, in this order:
///
/// | order | text |
/// |---|---|
/// | rejected by the ledger, in a rebuilt sale | `/rejected` |
/// | paid | `/completed:epoch-sequence:completed_at_ms` |
/// | not paid in time | `/expired:epoch-sequence:expired_at_ms` |
/// | cancelled by an admin call | `/epoch-sequence/cancelled_at_ms` |
/// | cancelled by the buyer | `/epoch-sequence/cancelled_at_ms/buyer` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// The number of the reservation.
    pub number: SequenceNumber,
    /// Whether the ledger rejected it, so that it holds no units. Only set in rebuilt sales.
    pub rejected: bool,
    /// The completion, if it was paid.
    pub completion: Option<Mark>,
    /// The expiry, if it was not paid in time. The units count again once its number is out of the outbox.
    pub expiry: Option<Mark>,
    /// The cancel, if it was cancelled.
    pub cancel: Option<CancelRecord>,
    /// When the units were taken, by Redis's clock.
    pub placed_at: Timestamp,
    /// Units taken.
    pub quantity: Quantity,
    /// Who ordered.
    pub user: UserId,
}

/// What happened to an order: the number of the event, and when it happened, by Redis's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Mark {
    pub number: SequenceNumber,
    pub at: Timestamp,
}

/// The cancel of an order. The units count again once `number` is out of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelRecord {
    /// The cancel's own number.
    pub number: SequenceNumber,
    /// When it was requested, by Redis's clock.
    pub at: Timestamp,
    /// By whom.
    pub by: CancelledBy,
}

impl OrderRecord {
    /// The record of an order that has just got its units.
    pub fn taken(
        number: SequenceNumber,
        placed_at: Timestamp,
        quantity: Quantity,
        user: UserId,
    ) -> Self {
        Self {
            number,
            rejected: false,
            completion: None,
            expiry: None,
            cancel: None,
            placed_at,
            quantity,
            user,
        }
    }

    /// Whether nothing has become of it yet. In a sale with holds it still has to be paid.
    pub fn is_held(&self) -> bool {
        let has_ended = self.rejected || self.expiry.is_some() || self.cancel.is_some();
        !has_ended && self.completion.is_none()
    }

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

    /// The event of the completion; `None` if the order was not paid.
    pub fn completed_event(
        &self,
        order_id: OrderId,
        product: &ProductId,
    ) -> Option<OrderCompleted> {
        self.completion.map(|completion| OrderCompleted {
            order: self.event(order_id, product),
            completion_epoch: completion.number.epoch,
            completion_sequence: completion.number.sequence,
            completed_at: completion.at,
        })
    }

    /// The event of the expiry; `None` if the order has not expired.
    pub fn expired_event(&self, order_id: OrderId, product: &ProductId) -> Option<OrderCancelled> {
        let Mark { number, at } = self.expiry?;
        Some(self.given_back(order_id, product, number, at, CancelCause::Expired))
    }

    /// The event of the cancel; `None` if the order was not cancelled.
    pub fn cancelled_event(
        &self,
        order_id: OrderId,
        product: &ProductId,
    ) -> Option<OrderCancelled> {
        let CancelRecord { number, at, by } = self.cancel?;
        let cause = match by {
            CancelledBy::Shop => CancelCause::Shop,
            CancelledBy::Buyer => CancelCause::Buyer,
        };
        Some(self.given_back(order_id, product, number, at, cause))
    }

    fn given_back(
        &self,
        order_id: OrderId,
        product: &ProductId,
        number: SequenceNumber,
        at: Timestamp,
        cause: CancelCause,
    ) -> OrderCancelled {
        OrderCancelled {
            order: self.event(order_id, product),
            cancel_epoch: number.epoch,
            cancel_sequence: number.sequence,
            cancelled_at: at,
            cause,
        }
    }

    /// Reads the marks that follow the number.
    fn add_marks(&mut self, marks: &str) -> Option<()> {
        let mut marks = marks.split('/');
        while let Some(text) = marks.next() {
            match text.split_once(':') {
                None if text == "rejected" => self.rejected = true,
                Some(("completed", mark)) => self.completion = Some(Mark::read(mark)?),
                Some(("expired", mark)) => self.expiry = Some(Mark::read(mark)?),
                _ => {
                    let number = text.parse().ok()?;
                    let at = millisecond(marks.next()?)?;
                    let by = match marks.next() {
                        None => CancelledBy::Shop,
                        Some("buyer") => CancelledBy::Buyer,
                        Some(_) => return None,
                    };
                    self.cancel = Some(CancelRecord { number, at, by });
                }
            }
        }
        Some(())
    }
}

impl FromStr for OrderRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.splitn(4, ' ');
            let mut next = || parts.next();
            let first = next()?;
            let (number, marks) = match first.split_once('/') {
                Some((number, marks)) => (number, Some(marks)),
                None => (first, None),
            };
            let mut record = Self::taken(
                number.parse().ok()?,
                millisecond(next()?)?,
                next()?.parse::<i64>().ok()?.try_into().ok()?,
                next()?.parse().ok()?,
            );
            if let Some(marks) = marks {
                record.add_marks(marks)?;
            }
            Some(record)
        };
        read().ok_or_else(|| MalformedRecord::new("order record", text))
    }
}

impl Mark {
    fn read(text: &str) -> Option<Self> {
        let (number, at) = text.split_once(':')?;
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
        for (text, by) in [("", CancelledBy::Shop), ("/buyer", CancelledBy::Buyer)] {
            let text = format!("1-42/2-7/1795219200999{text} 1795219200123 2 u");
            let record: OrderRecord = text.parse().unwrap();
            let cancel = record.cancel.unwrap();
            assert_eq!(record.number.to_string(), "1-42");
            assert_eq!(cancel.number.to_string(), "2-7");
            assert_eq!(cancel.at.as_millisecond(), 1_795_219_200_999);
            assert_eq!(cancel.by, by);
        }
    }

    #[test]
    fn an_order_keeps_all_that_became_of_it() {
        let text = "1-1/completed:1-2:20/expired:2-3:30/2-4/40 10 2 u";
        let record: OrderRecord = text.parse().unwrap();
        let mark = |mark: Option<Mark>| mark.map(|it| (it.number.sequence, it.at.as_millisecond()));
        assert_eq!(mark(record.completion), Some((2, 20)));
        assert_eq!(mark(record.expiry), Some((3, 30)));
        assert_eq!(record.cancel.map(|it| it.number.sequence), Some(4));
        assert_eq!(record.placed_at.as_millisecond(), 10);
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
            "1-1/1-2/7/seller 5 1 u",
            "1-1/completed 5 1 u",
            "1-1/completed:1-2 5 1 u",
            "1-1/paid:1-2:7 5 1 u",
        ] {
            assert!(text.parse::<OrderRecord>().is_err(), "{text:?}");
        }
    }
}
