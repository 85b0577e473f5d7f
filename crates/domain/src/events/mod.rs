//! The events on the topic: CloudEvents 1.0 in Kafka's binary mode, keyed by product id.
//!
//! An event is a pure function of the record in Redis, so the instance that reserved and the outbox relay publish the same
//! bytes. A consumer ignores fields it does not know; a record with an unknown `ce_type` becomes a dead letter.

mod envelope;
mod order_cancelled;
mod order_completed;
mod order_reserved;
mod queue_changed;
mod queue_started;
mod sale_amended;
mod sale_closed;
mod sale_fenced;
mod sale_opened;
mod sale_restocked;

pub use envelope::{CE_ID, CE_TYPE, Header, headers};
pub use order_cancelled::{CancelCause, OrderCancelled};
pub use order_completed::OrderCompleted;
pub use order_reserved::OrderReserved;
pub use queue_changed::QueueChanged;
pub use queue_started::QueueStarted;
pub use sale_amended::SaleAmended;
pub use sale_closed::SaleClosed;
pub use sale_fenced::SaleFenced;
pub use sale_opened::SaleOpened;
pub use sale_restocked::SaleRestocked;

use crate::ids::ProductId;

/// Any event on the topic `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A sale opened: the first event of its product. Boxed, as the other one with terms: orders are smaller by far.
    SaleOpened(Box<SaleOpened>),
    /// Units were reserved in Redis for one order.
    OrderReserved(OrderReserved),
    /// An order was cancelled or has expired.
    OrderCancelled(OrderCancelled),
    /// An order was paid.
    OrderCompleted(OrderCompleted),
    /// Units were added to a sale.
    SaleRestocked(SaleRestocked),
    /// A sale that nobody had ordered from got other terms.
    SaleAmended(Box<SaleAmended>),
    /// The queue of a sale has started.
    QueueStarted(QueueStarted),
    /// An admin has changed how the queue of a sale is served.
    QueueChanged(QueueChanged),
    /// A sale was closed by an admin.
    SaleClosed(SaleClosed),
    /// Earlier epochs of a sale are no longer accepted.
    SaleFenced(SaleFenced),
}

/// Why a record is not an event. The text is the reason of its dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The record has no `ce_type` header, or one that is not UTF-8.
    #[error("missing_type: no readable ce_type header")]
    MissingType,
    /// This build does not know the `ce_type`.
    #[error("unknown_type: {0}")]
    UnknownType(String),
    /// A record without a value (a tombstone).
    #[error("missing_value: the record has no value")]
    MissingValue,
    /// The value does not match the schema of its type.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The key is not the event's product, so the record may be on the wrong partition.
    #[error("foreign_key: the record's key is not the event's productId")]
    ForeignKey,
}

impl Event {
    /// Decodes a record.
    ///
    /// # Errors
    /// When it is not a valid event; the caller writes a dead letter.
    pub fn decode(
        ce_type: Option<&[u8]>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Self, Undecodable> {
        let ce_type = ce_type
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or(Undecodable::MissingType)?;
        let value = value.ok_or(Undecodable::MissingValue)?;
        let event = match ce_type {
            SaleOpened::TYPE => Self::SaleOpened(from_json(value)?),
            OrderReserved::TYPE => Self::OrderReserved(from_json(value)?),
            OrderCancelled::TYPE => Self::OrderCancelled(from_json(value)?),
            OrderCompleted::TYPE => Self::OrderCompleted(from_json(value)?),
            SaleRestocked::TYPE => Self::SaleRestocked(from_json(value)?),
            SaleAmended::TYPE => Self::SaleAmended(from_json(value)?),
            QueueStarted::TYPE => Self::QueueStarted(from_json(value)?),
            QueueChanged::TYPE => Self::QueueChanged(from_json(value)?),
            SaleClosed::TYPE => Self::SaleClosed(from_json(value)?),
            SaleFenced::TYPE => Self::SaleFenced(from_json(value)?),
            // An unknown type may be kilobytes long.
            other => return Err(Undecodable::UnknownType(other.chars().take(100).collect())),
        };
        if key == Some(event.product_id().as_str().as_bytes()) {
            Ok(event)
        } else {
            Err(Undecodable::ForeignKey)
        }
    }

    /// The value of the record.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::SaleOpened(event) => serde_json::to_vec(event),
            Self::OrderReserved(event) => serde_json::to_vec(event),
            Self::OrderCancelled(event) => serde_json::to_vec(event),
            Self::OrderCompleted(event) => serde_json::to_vec(event),
            Self::SaleRestocked(event) => serde_json::to_vec(event),
            Self::SaleAmended(event) => serde_json::to_vec(event),
            Self::QueueStarted(event) => serde_json::to_vec(event),
            Self::QueueChanged(event) => serde_json::to_vec(event),
            Self::SaleClosed(event) => serde_json::to_vec(event),
            Self::SaleFenced(event) => serde_json::to_vec(event),
        }
        .expect("events are plain structs with text keys")
    }

    /// Whether it makes room in its sale. Such an event is on Kafka before it counts in Redis; any other one counts in
    /// Redis first. So the ledger never sees an order before the room it uses (publish before apply).
    pub fn makes_room(&self) -> bool {
        match self {
            Self::SaleOpened(_) | Self::OrderCancelled(_) | Self::SaleRestocked(_) => true,
            Self::OrderReserved(_)
            | Self::OrderCompleted(_)
            | Self::SaleAmended(_)
            | Self::QueueStarted(_)
            | Self::QueueChanged(_)
            | Self::SaleClosed(_)
            | Self::SaleFenced(_) => false,
        }
    }

    /// The key of the record.
    pub fn product_id(&self) -> &ProductId {
        match self {
            Self::SaleOpened(event) => &event.product_id,
            Self::OrderReserved(event) => &event.product_id,
            Self::OrderCancelled(event) => &event.order.product_id,
            Self::OrderCompleted(event) => &event.order.product_id,
            Self::SaleRestocked(event) => &event.product_id,
            Self::SaleAmended(event) => &event.product_id,
            Self::QueueStarted(event) => &event.product_id,
            Self::QueueChanged(event) => &event.product_id,
            Self::SaleClosed(event) => &event.product_id,
            Self::SaleFenced(event) => &event.product_id,
        }
    }
}

fn from_json<'a, T: serde::Deserialize<'a>>(value: &'a [u8]) -> Result<T, Undecodable> {
    serde_json::from_slice(value).map_err(|error| Undecodable::Malformed(error.to_string()))
}
