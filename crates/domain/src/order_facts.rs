//! What is known about an order beside its event, and the status that follows from it.

use crate::{OrderStatus, SequenceNumber};

/// What the row of an order says about its fate. Every number that was read is kept, so that none is missing in its
/// series; nothing here is ever taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderFacts {
    /// Whether the ledger had units for it.
    pub decision: Decision,
    /// The number of the completion, if the order was paid.
    pub completion: Option<SequenceNumber>,
    /// Whether the order had no units when its completion was read, and could not get any.
    pub completion_refused: bool,
    /// The number of the expiry, if the order was not paid in time.
    pub expiry: Option<SequenceNumber>,
    /// The cancel, if there was one.
    pub cancel: Option<Cancel>,
}

/// The decision of the ledger about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It got its units.
    Confirmed,
    /// It never had units.
    Rejected(RejectReason),
}

/// Why an order never had units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// The stock does not cover it.
    Oversold,
    /// Its sale has no ledger row.
    UnknownSale,
    /// Its epoch is below the fence of its sale.
    Fenced,
}

/// One fact more about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderFact {
    /// It was paid.
    Completion(SequenceNumber),
    /// It was not paid in time.
    Expiry(SequenceNumber),
    /// It was cancelled.
    Cancel(Cancel),
}

/// The cancel of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Cancel {
    pub number: SequenceNumber,
    pub by: CancelledBy,
}

/// Who has cancelled an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledBy {
    /// An admin call.
    Shop,
    /// The buyer.
    Buyer,
}

impl OrderFacts {
    /// All that is known about a new order.
    pub const fn of(decision: Decision) -> Self {
        Self {
            decision,
            completion: None,
            completion_refused: false,
            expiry: None,
            cancel: None,
        }
    }

    /// The column `status`.
    pub fn status(&self) -> OrderStatus {
        match self.decision {
            _ if self.cancel.is_some() => OrderStatus::Cancelled,
            _ if self.is_completed() => OrderStatus::Completed,
            _ if self.expiry.is_some() => OrderStatus::Expired,
            Decision::Confirmed => OrderStatus::Confirmed,
            Decision::Rejected(_) => OrderStatus::Rejected,
        }
    }

    /// Whether it was paid and had its units then.
    pub fn is_completed(&self) -> bool {
        self.completion.is_some() && !self.completion_refused
    }

    /// Whether nothing but the decision is known.
    pub fn is_decision_only(&self) -> bool {
        *self == Self::of(self.decision)
    }

    /// Whether a fact of this kind is known.
    pub fn has(&self, fact: OrderFact) -> bool {
        match fact {
            OrderFact::Completion(_) => self.completion.is_some(),
            OrderFact::Expiry(_) => self.expiry.is_some(),
            OrderFact::Cancel(_) => self.cancel.is_some(),
        }
    }

    /// These facts and one more. A completion that is read behind the expiry needs the units again: `has_room` tells
    /// whether the ledger has them.
    pub fn with(mut self, fact: OrderFact, has_room: bool) -> Self {
        match fact {
            OrderFact::Completion(number) => {
                self.completion_refused = match (self.status(), self.decision) {
                    (OrderStatus::Expired, Decision::Confirmed) => !has_room,
                    (OrderStatus::Cancelled, _) | (_, Decision::Confirmed) => false,
                    (_, Decision::Rejected(_)) => true,
                };
                self.completion = Some(number);
            }
            OrderFact::Expiry(number) => self.expiry = Some(number),
            OrderFact::Cancel(cancel) => self.cancel = Some(cancel),
        }
        self
    }
}

impl OrderFact {
    /// Its own number.
    pub fn number(&self) -> SequenceNumber {
        match self {
            Self::Completion(number) | Self::Expiry(number) => *number,
            Self::Cancel(cancel) => cancel.number,
        }
    }
}

impl Decision {
    /// The column `reason`.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Confirmed => None,
            Self::Rejected(reason) => Some(reason.as_str()),
        }
    }

    /// The inverse of [`Self::reason`]; `None` if no worker writes this reason.
    pub fn read(reason: Option<&str>) -> Option<Self> {
        let Some(text) = reason else {
            return Some(Self::Confirmed);
        };
        let mut all = RejectReason::ALL.into_iter();
        let reason = all.find(|reason| reason.as_str() == text);
        reason.map(Self::Rejected)
    }
}

impl RejectReason {
    const ALL: [Self; 3] = [Self::Oversold, Self::UnknownSale, Self::Fenced];

    /// The text in `orders.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oversold => "oversold",
            Self::UnknownSale => "unknown_sale",
            Self::Fenced => "fenced",
        }
    }
}

impl CancelledBy {
    /// The text in `orders.cancel_cause`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Buyer => "buyer",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn read(text: &str) -> Option<Self> {
        let mut all = [Self::Shop, Self::Buyer].into_iter();
        all.find(|by| by.as_str() == text)
    }
}
