use std::fmt;

use sha2::{Digest, Sha256};

use super::ProductId;

/// The first 12 bits of SHA-256(product id) as 3 hex digits: the Redis hash tag of all keys of a sale, so that one script
/// can use them all on a Redis Cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u16);

impl Tag {
    /// The tag of a product.
    pub fn of(product: &ProductId) -> Self {
        let digest = Sha256::digest(product.as_str().as_bytes());
        Self(u16::from_be_bytes([digest[0], digest[1]]) >> 4)
    }

    /// The tag as a number, 0-4095.
    pub fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits & 0x0fff)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03x}", self.0)
    }
}
