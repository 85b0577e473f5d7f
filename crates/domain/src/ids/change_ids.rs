use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{IdempotencyKey, Invalid, ProductId, hash};

/// The id of a change of a sale: a UUIDv8 derived from product and key, so that a retry is the same change.
macro_rules! change_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $field:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// Derives the id of the change of the sale of `product` with `key`.
            pub fn derive(product: &ProductId, key: &IdempotencyKey) -> Self {
                let digest = hash::of_parts([$kind, product.as_str(), key.as_str()]);
                let bytes = *digest.first_chunk().expect("a SHA-256 digest has 32 bytes");
                Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
            }

            /// The UUID, for stores that have a type for it.
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let uuid = Uuid::try_parse(text).map_err(|_| Invalid {
                    field: $field,
                    allowed: "a UUID",
                });
                uuid.map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

change_id!(
    /// The id of a restock.
    RestockId,
    "restock",
    "restockId"
);
change_id!(
    /// The id of a change of a queue.
    QueueChangeId,
    "queue",
    "changeId"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_frozen() {
        let product = ProductId::parse("iphone-15").unwrap();
        let key = IdempotencyKey::parse("k").unwrap();
        let restock = RestockId::derive(&product, &key);
        assert_eq!(restock.to_string(), "cc23b2f7-5a66-8615-8bf1-fd3e7528df78");
        assert_eq!(restock.as_uuid().get_version_num(), 8);
        let change = QueueChangeId::derive(&product, &key);
        assert_eq!(change.to_string(), "83629942-38f4-8a9e-9a8b-aa822ea19741");
        assert_eq!(change.as_uuid().get_version_num(), 8);
    }
}
