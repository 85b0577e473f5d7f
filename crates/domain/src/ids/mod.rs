//! Newtypes that are parsed once, at the border, and valid from then on.

mod change_ids;
mod hash;
mod hold_terms;
mod idempotency_key;
mod json;
mod order_id;
mod order_rates;
mod product_id;
mod quantity;
mod queue_terms;
mod tag;
mod user_id;

pub use change_ids::{QueueChangeId, RestockId};
pub use hold_terms::{HoldGraceSeconds, HoldSeconds, UnpaidPerUser};
pub use idempotency_key::IdempotencyKey;
pub use order_id::OrderId;
pub use order_rates::{OrdersPerSecond, OrdersPerUser};
pub use product_id::ProductId;
pub use quantity::{Quantity, Total};
pub use queue_terms::{AdmitPerSecond, Overbook, QueueMode, TurnSeconds};
pub use tag::Tag;
pub use user_id::UserId;

/// Why a value was refused. The message names the field and what is allowed; it never repeats the value, which can be
/// arbitrarily long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {allowed}")]
pub struct Invalid {
    field: &'static str,
    allowed: &'static str,
}

/// What the ids that are JSON strings share: access as `str`, parsing, display, JSON.
macro_rules! textual_id {
    ($name:ident) => {
        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        $crate::ids::json::deserialize!($name, deserialize_str, visit_str(&str));
    };
}
use textual_id;
