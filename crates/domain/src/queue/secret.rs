use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{ProductId, UserId};

/// What the queue of a sale is computed with. Anybody who knows it can forge tickets and knows all places.
#[derive(Clone)]
pub struct QueueSecret(Box<[u8]>);

/// The first 8 bytes of the SHA-256 of a secret: the terms of a sale name its secret by it. In JSON 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretFingerprint(#[serde(with = "hex")] [u8; 8]);

impl QueueSecret {
    /// The fewest bytes of a secret: a shorter key weakens HMAC-SHA256 (RFC 2104, 3).
    pub const MIN_BYTES: usize = 32;

    /// A secret of these bytes; `None` if they are too few.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= Self::MIN_BYTES).then(|| Self(bytes.into()))
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> SecretFingerprint {
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(&self.0).into();
        SecretFingerprint([a, b, c, d, e, f, g, h])
    }

    /// What decides the places of those who joined early: HMAC-SHA256 over `seed`, the product and `opensAt` of the terms in
    /// ms, with a zero byte between them.
    pub fn seed(&self, product: &ProductId, opens_at: Timestamp) -> [u8; 32] {
        let opens_at_ms = opens_at.as_millisecond();
        self.hmac(format!("seed\0{product}\0{opens_at_ms}").as_bytes())
    }

    /// The key of the proofs of work that a user joins the queue of a product with.
    pub fn work_key(&self, product: &ProductId, user: &UserId) -> [u8; 32] {
        self.hmac(format!("work\0{product}\0{user}").as_bytes())
    }

    pub(super) fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let hmac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        hmac.chain_update(message).finalize().into_bytes().into()
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for QueueSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueSecret")
    }
}

impl fmt::Display for SecretFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The SHA-256 of a seed, which is told before anybody joins: so nobody can choose the seed afterwards.
pub fn seed_sha256(seed: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(seed).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (secret, fingerprint, product, opening time in ms, seed, SHA-256 of the seed), as Python's `hmac` and `hashlib` compute
    /// them. Frozen: terms of sales have them.
    const FROZEN: [(&str, &str, &str, i64, &str, &str); 3] = [
        (
            "0123456789abcdef0123456789abcdef",
            "3eb1bd439947eb76",
            "iphone-15",
            1_795_219_200_000,
            "6c8d57ef41da962349f8c1944f7c89e30909b1c0e68ba79cbf3d9c87cd5df46b",
            "b223d5f2bdf86fbcc904f2b97b9b52dcf04ce4c66a436731829e84e3114dc889",
        ),
        (
            "a secret of more than one block of SHA-256, which is sixty-four bytes long",
            "3dcfe9703ea28411",
            "x",
            1,
            "256ee526c7611cfdc05a0ec0b0e98d76aad2f3236370c46edc4199993bff2846",
            "5417b6884fa6f9a1196facbe7c4aea9dfd6703df38244f77ba5757a8476b43ef",
        ),
        (
            "schlüssel-schlüssel-schlüssel-schlüssel",
            "7bc5f474d1d167b4",
            "A.b_c:d-1",
            253_402_207_199_999,
            "03ba7cc21f02385106975515315547de21a8529f7db2b1bea401df82ec704f68",
            "a28e9f5ba69a47669141515c1125c155dafb232b3779f9ddcd7f001e394bf9a5",
        ),
    ];

    #[test]
    fn fingerprints_and_seeds_are_frozen() {
        for (secret, fingerprint, product, opens_at_ms, seed, sha256) in FROZEN {
            let secret = QueueSecret::new(secret.as_bytes()).unwrap();
            let product = ProductId::parse(product).unwrap();
            let opens_at = Timestamp::from_millisecond(opens_at_ms).unwrap();
            assert_eq!(secret.fingerprint().to_string(), fingerprint);
            let found = secret.seed(&product, opens_at);
            assert_eq!(hex::encode(found), seed);
            assert_eq!(hex::encode(seed_sha256(&found)), sha256);
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_is_not_shown() {
        let text = "0123456789abcdef0123456789abcdef";
        assert!(QueueSecret::new(&text.as_bytes()[1..]).is_none());
        let secret = QueueSecret::new(text.as_bytes()).unwrap();
        assert_eq!(format!("{secret:?}"), "QueueSecret");
    }

    #[test]
    fn a_fingerprint_is_sixteen_hex_digits() {
        let json = r#""fedcba9876543210""#;
        let read: SecretFingerprint = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        for bad in [
            r#""fedcba987654321""#,
            r#""fedcba98765432100""#,
            r#""fedcba987654321x""#,
            "1",
        ] {
            assert!(
                serde_json::from_str::<SecretFingerprint>(bad).is_err(),
                "{bad}"
            );
        }
    }
}
