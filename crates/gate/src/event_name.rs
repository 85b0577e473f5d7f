use std::fmt;

use fluxgate_domain::events::{CancelCause, Event};
use fluxgate_domain::ids::{OrderId, QueueChangeId, RestockId};

/// What an event in an outbox is about, without its number: after a failover, an event that Redis has lost and a later one
/// may have the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EventName {
    Opening,
    Order(OrderId),
    Cancel(OrderId),
    Expiry(OrderId),
    Completion(OrderId),
    Restock(RestockId),
    Amendment,
    QueueStart,
    QueueChange(QueueChangeId),
    Closing,
    /// A fence is published by rebuilds and is in no outbox.
    Fence,
}

impl From<&Event> for EventName {
    fn from(event: &Event) -> Self {
        match event {
            Event::SaleOpened(_) => Self::Opening,
            Event::OrderReserved(order) => Self::Order(order.order_id),
            Event::OrderCancelled(cancel) => match cancel.cause {
                CancelCause::Expired => Self::Expiry(cancel.order.order_id),
                CancelCause::Shop | CancelCause::Buyer => Self::Cancel(cancel.order.order_id),
            },
            Event::OrderCompleted(completion) => Self::Completion(completion.order.order_id),
            Event::SaleRestocked(restock) => Self::Restock(restock.restock_id),
            Event::SaleAmended(_) => Self::Amendment,
            Event::QueueStarted(_) => Self::QueueStart,
            Event::QueueChanged(change) => Self::QueueChange(change.change_id),
            Event::SaleClosed(_) => Self::Closing,
            Event::SaleFenced(_) => Self::Fence,
        }
    }
}

/// Kind and subject as an entry of one event has them; the kind alone of events that a sale has once, or, as an amendment,
/// hardly more often.
impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => f.write_str("opens"),
            Self::Order(id) => write!(f, "order {id}"),
            Self::Cancel(id) => write!(f, "cancel {id}"),
            Self::Expiry(id) => write!(f, "expire {id}"),
            Self::Completion(id) => write!(f, "complete {id}"),
            Self::Restock(id) => write!(f, "restock {id}"),
            Self::Amendment => f.write_str("amend"),
            Self::QueueStart => f.write_str("starts"),
            Self::QueueChange(id) => write!(f, "queue {id}"),
            Self::Closing => f.write_str("closes"),
            Self::Fence => f.write_str("fence"),
        }
    }
}
