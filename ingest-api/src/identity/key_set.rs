use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::TokenError;
use super::signatures::SignatureVerifier;

/// The keys that verify tokens.
#[derive(Debug, Clone)]
pub struct KeySet(Vec<VerificationKey>);

/// A key, with the one algorithm that it is used with.
#[derive(Debug, Clone)]
pub struct VerificationKey {
    /// `kid`
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    /// `None` for a secret.
    parameters: Option<AlgorithmParameters>,
}

/// Why a document is not used as a key set.
#[derive(Debug, thiserror::Error)]
pub enum NoUsableKey {
    /// It is not JSON, or has no list `keys`.
    #[error("not a JWK Set: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Its keys are for other algorithms or uses, too short or malformed.
    #[error("none of its {0} keys verifies RS256 (at least 2,048 bits), ES256 or EdDSA (Ed25519)")]
    Unfit(usize),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// The usable keys of a JWK Set (RFC 7517). Others are left out; a secret (`oct`) is never used, because the set is
    /// public.
    ///
    /// # Errors
    /// If it has none.
    pub fn parse(json: &[u8]) -> Result<Self, NoUsableKey> {
        let document: Document = serde_json::from_slice(json)?;
        let count = document.keys.len();
        let keys = document.keys.into_iter();
        let keys: Vec<_> = keys.filter_map(VerificationKey::from_json).collect();
        match keys.is_empty() {
            true => Err(NoUsableKey::Unfit(count)),
            false => Ok(Self(keys)),
        }
    }

    /// One secret, for HS256.
    pub fn secret(secret: &[u8]) -> Self {
        let key = VerificationKey {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret),
            parameters: None,
        };
        Self(vec![key])
    }

    /// The number of keys.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The key of a token whose header has this `kid` and `alg`.
    ///
    /// # Errors
    /// If there is none, or if it has another algorithm.
    pub fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerificationKey, TokenError> {
        let mut named = self.0.iter().filter(|key| key.is_named(id)).peekable();
        if named.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        let mut fitting = named.filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(TokenError::Algorithm),
            (Some(_), Some(_)) => Err(TokenError::AmbiguousKey),
        }
    }

    /// Whether every key of `other` is in this set, too.
    pub fn contains_all(&self, other: &Self) -> bool {
        let is_here = |key: &VerificationKey| self.0.iter().any(|own| own.is_same(key));
        other.0.iter().all(is_here)
    }
}

impl VerificationKey {
    fn from_json(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let algorithm = algorithm_of(&jwk)?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        SignatureVerifier::new(algorithm, &key).ok()?;
        Some(Self {
            id: jwk.common.key_id,
            algorithm,
            key,
            parameters: Some(jwk.algorithm),
        })
    }

    /// Whether a token with this `kid` may mean this key. A key set with one key need not name it.
    fn is_named(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(id)) => own == id,
            _ => true,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.id, &self.parameters) == (&other.id, &other.parameters)
    }
}

/// The algorithm of a key by its type, if the key may be used with it to verify signatures.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let common = &jwk.common;
    let is_fit = common
        .key_algorithm
        .is_none_or(|own| own == KeyAlgorithm::from(algorithm))
        && matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && common
            .key_operations
            .as_ref()
            .is_none_or(|all| all.contains(&KeyOperations::Verify));
    is_fit.then_some(algorithm)
}
