use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, Variant};

use super::{IdempotencyKey, Invalid, ProductId, Tag, UserId, hash};

/// The id of an order: a UUIDv8 that is derived, never random.
///
/// ```text
/// 48 bits  opening time of the sale, Unix ms  ┐ these three name the sale
///  4 bits  version 8                         │
/// 12 bits  tag of the product                ┘
///  2 bits  variant 10
/// 62 bits  SHA-256 over product, user and key, each preceded by its length (u32, big endian)
/// ```
///
/// A retry gets the same id, so PostgreSQL's primary key enforces "one key, one order" even after Redis has lost
/// everything. The id alone gives the Redis key of the order's record, and tables partitioned by date can prune by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct OrderId(Uuid);

const MS_BITS: u32 = 48;
const VERSION: u128 = 8;
const VARIANT: u128 = 0b10;
const HASH_MASK: u64 = u64::MAX >> 2;

impl OrderId {
    const INVALID: Invalid = Invalid {
        field: "orderId",
        allowed: "a UUID of version 8",
    };

    /// Derives the id of the order that `user` places with `key` in the sale of `product` that opened at `opened_at_ms`
    /// (Unix time; the low 48 bits count, enough until the year 10889).
    pub fn derive(
        product: &ProductId,
        tag: Tag,
        opened_at_ms: i64,
        user: &UserId,
        key: &IdempotencyKey,
    ) -> Self {
        let digest = hash::of_parts([product.as_str(), user.as_str(), key.as_str()]);
        let hash =
            u64::from_be_bytes(*digest.first_chunk().expect("a SHA-256 digest has 32 bytes"));

        Self::of_sale(tag, opened_at_ms, hash)
    }

    /// The lowest and the highest id of a sale's orders: a range scan of the primary key finds them all.
    pub fn bounds(tag: Tag, opened_at_ms: i64) -> [Self; 2] {
        [0, HASH_MASK].map(|hash| Self::of_sale(tag, opened_at_ms, hash))
    }

    fn of_sale(tag: Tag, opened_at_ms: i64, hash: u64) -> Self {
        let opened = opened_at_ms.cast_unsigned() & ((1 << MS_BITS) - 1);
        Self(Uuid::from_u128(
            u128::from(opened) << 80
                | VERSION << 76
                | u128::from(tag.bits()) << 64
                | VARIANT << 62
                | u128::from(hash & HASH_MASK),
        ))
    }

    /// The tag of its product.
    pub fn tag(self) -> Tag {
        let bits = (self.0.as_u128() >> 64) & 0x0fff;
        Tag::from_bits(u16::try_from(bits).expect("12 bits fit into 16"))
    }

    /// The opening time of its sale, Unix time in milliseconds.
    pub fn opened_at_ms(self) -> i64 {
        i64::try_from(self.0.as_u128() >> 80).expect("48 bits fit into 63")
    }

    /// The bits that distinguish the orders of one sale.
    pub fn hash_bits(self) -> u64 {
        self.0.as_u64_pair().1 & HASH_MASK
    }

    /// The UUID, for stores that have a type for it.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl TryFrom<Uuid> for OrderId {
    type Error = Invalid;

    /// # Errors
    /// When the UUID is not of version 8 and the RFC 9562 variant.
    fn try_from(uuid: Uuid) -> Result<Self, Invalid> {
        if uuid.get_version_num() == 8 && uuid.get_variant() == Variant::RFC4122 {
            Ok(Self(uuid))
        } else {
            Err(Self::INVALID)
        }
    }
}

impl std::str::FromStr for OrderId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let uuid = Uuid::try_parse(text).map_err(|_| Self::INVALID)?;
        Self::try_from(uuid)
    }
}

impl From<OrderId> for Uuid {
    fn from(id: OrderId) -> Uuid {
        id.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
