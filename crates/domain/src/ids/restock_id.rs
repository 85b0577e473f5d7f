use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{IdempotencyKey, Invalid, ProductId, hash};

/// The id of a restock: a UUIDv8 derived from product and key, so that a retry is the same restock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RestockId(Uuid);

impl RestockId {
    /// Derives the id of the restock of `product` with `key`.
    pub fn derive(product: &ProductId, key: &IdempotencyKey) -> Self {
        let digest = hash::of_parts(["restock", product.as_str(), key.as_str()]);
        let bytes = *digest.first_chunk().expect("a SHA-256 digest has 32 bytes");
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The UUID, for stores that have a type for it.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl std::str::FromStr for RestockId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let uuid = Uuid::try_parse(text).map_err(|_| Invalid {
            field: "restockId",
            allowed: "a UUID",
        });
        uuid.map(Self)
    }
}

impl fmt::Display for RestockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_frozen() {
        let product = ProductId::parse("iphone-15").unwrap();
        let key = IdempotencyKey::parse("k").unwrap();
        let id = RestockId::derive(&product, &key);
        assert_eq!(id.to_string(), "cc23b2f7-5a66-8615-8bf1-fd3e7528df78");
        assert_eq!(id.as_uuid().get_version_num(), 8);
    }
}
