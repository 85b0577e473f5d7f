//! Newtypes that are parsed once, at the border, and valid from then on.

mod hash;
mod idempotency_key;
mod order_id;
mod product_id;
mod quantity;
mod restock_id;
mod tag;
mod user_id;

pub use idempotency_key::IdempotencyKey;
pub use order_id::OrderId;
pub use product_id::ProductId;
pub use quantity::{Quantity, Total};
pub use restock_id::RestockId;
pub use tag::Tag;
pub use user_id::UserId;

/// Why a value was refused. The message names the field and what is allowed; it never repeats the value, which can be
/// arbitrarily long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) &'static str);

/// What the ids that events carry as text share, given their `check`: parsing, access as `str`, display, JSON.
macro_rules! textual_id {
    ($name:ident) => {
        impl $name {
            /// The id of a text.
            ///
            /// # Errors
            /// When the text is not allowed.
            pub fn parse(text: &str) -> Result<Self, $crate::ids::Invalid> {
                Self::check(text)?;
                Ok(Self(text.into()))
            }

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

        impl TryFrom<String> for $name {
            type Error = $crate::ids::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::check(&text)?;
                Ok(Self(text.into_boxed_str()))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
use textual_id;
