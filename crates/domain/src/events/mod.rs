//! What travels on the topic: CloudEvents 1.0 in Kafka's binary mode, keyed by product id.
//!
//! An event is a pure function of what Redis stores about an order or a sale, so the copy that
//! reserved and a sweeper that publishes again send the same bytes. Fields unknown to a reader are
//! ignored; a `ce_type` unknown to it is dead-lettered.

mod envelope;
mod order_cancelled;
mod order_reserved;
mod sale_closed;
mod sale_fenced;
mod sale_opened;
mod sale_restocked;

pub use envelope::{CE_TYPE, Header, headers};
pub use order_cancelled::OrderCancelled;
pub use order_reserved::OrderReserved;
pub use sale_closed::SaleClosed;
pub use sale_fenced::SaleFenced;
pub use sale_opened::SaleOpened;
pub use sale_restocked::SaleRestocked;

use crate::ids::ProductId;

/// Everything that may stand on the topic `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A sale opened: the first event of its product, ahead of every order.
    SaleOpened(SaleOpened),
    /// Units were taken in Redis for one order.
    OrderReserved(OrderReserved),
    /// The units of one order are given back.
    OrderCancelled(OrderCancelled),
    /// A sale got more units.
    SaleRestocked(SaleRestocked),
    /// A sale was ended by hand.
    SaleClosed(SaleClosed),
    /// Nothing of the sale's earlier epochs is taken any more.
    SaleFenced(SaleFenced),
}

/// Why a record is no event of ours. The text is the reason on its dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The record has no `ce_type` header, or one that is not UTF-8.
    #[error("missing_type: no readable ce_type header")]
    MissingType,
    /// The `ce_type` is none that this build knows.
    #[error("unknown_type: {0}")]
    UnknownType(String),
    /// A record without a value (a tombstone).
    #[error("missing_value: the record has no value")]
    MissingValue,
    /// The value is not the JSON that its type promises.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The event's product is not the record's key, so it may stand on a foreign partition.
    #[error("foreign_key: the record's key is not the event's productId")]
    ForeignKey,
}

impl Event {
    /// Reads a record.
    ///
    /// # Errors
    /// When any part of it is not what its type promises; the caller dead-letters it.
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
            SaleRestocked::TYPE => Self::SaleRestocked(from_json(value)?),
            SaleClosed::TYPE => Self::SaleClosed(from_json(value)?),
            SaleFenced::TYPE => Self::SaleFenced(from_json(value)?),
            // A foreign type may be kilobytes long; its beginning is enough to recognise it.
            other => return Err(Undecodable::UnknownType(other.chars().take(100).collect())),
        };
        if key == Some(event.product_id().as_str().as_bytes()) {
            Ok(event)
        } else {
            Err(Undecodable::ForeignKey)
        }
    }

    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::SaleOpened(event) => serde_json::to_vec(event),
            Self::OrderReserved(event) => serde_json::to_vec(event),
            Self::OrderCancelled(event) => serde_json::to_vec(event),
            Self::SaleRestocked(event) => serde_json::to_vec(event),
            Self::SaleClosed(event) => serde_json::to_vec(event),
            Self::SaleFenced(event) => serde_json::to_vec(event),
        }
        .expect("events are plain structs with text keys")
    }

    /// Whether it makes room in its sale. Such an event is on Kafka before it counts in Redis; one
    /// that takes room counts in Redis before it is on Kafka. So the ledger never sees an order
    /// before the room it uses.
    pub fn makes_room(&self) -> bool {
        match self {
            Self::SaleOpened(_) | Self::OrderCancelled(_) | Self::SaleRestocked(_) => true,
            Self::OrderReserved(_) | Self::SaleClosed(_) | Self::SaleFenced(_) => false,
        }
    }

    /// The record's key.
    pub fn product_id(&self) -> &ProductId {
        match self {
            Self::SaleOpened(event) => &event.product_id,
            Self::OrderReserved(event) => &event.product_id,
            Self::OrderCancelled(event) => &event.order.product_id,
            Self::SaleRestocked(event) => &event.product_id,
            Self::SaleClosed(event) => &event.product_id,
            Self::SaleFenced(event) => &event.product_id,
        }
    }
}

fn from_json<'a, T: serde::Deserialize<'a>>(value: &'a [u8]) -> Result<T, Undecodable> {
    serde_json::from_slice(value).map_err(|error| Undecodable::Malformed(error.to_string()))
}
