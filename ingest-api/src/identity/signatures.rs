//! Verifies signatures with OpenSSL, the one cryptographic library of the process (decision 13).

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature;
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};

/// RFC 7518, 3.3.
const RSA_MIN_BITS: i32 = 2_048;
/// RFC 7518, 3.4: the two numbers of an ES256 signature, one after the other.
const ES256_BYTES: usize = 64;

static OPENSSL: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(SignatureVerifier::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use OpenSSL in this process.
pub fn use_openssl() {
    // An error means that this was called before.
    let _ = OPENSSL.install_default();
}

/// Verifies signatures of one algorithm with one key.
pub struct SignatureVerifier {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Secret(PKey<Private>),
    Public(PKey<Public>),
}

impl SignatureVerifier {
    /// # Errors
    /// If the algorithm is not supported, or the key does not fit it or is too weak.
    pub fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let key = match algorithm {
            Algorithm::HS256 => secret(key.try_get_as_bytes()?).map(Key::Secret),
            Algorithm::RS256 => rsa(key.kind()).map(Key::Public),
            Algorithm::ES256 => p256(key.try_get_as_bytes()?).map(Key::Public),
            Algorithm::EdDSA => ed25519(key.try_get_as_bytes()?).map(Key::Public),
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        let key = key.ok_or(ErrorKind::InvalidKeyFormat)?;
        Ok(Self { algorithm, key })
    }

    fn is_right(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        match &self.key {
            Key::Secret(key) => {
                let mut signer = Signer::new(MessageDigest::sha256(), key)?;
                let expected = signer.sign_oneshot_to_vec(message)?;
                Ok(expected.len() == signature.len() && memcmp::eq(&expected, signature))
            }
            Key::Public(key) if self.algorithm == Algorithm::EdDSA => {
                Verifier::new_without_digest(key)?.verify_oneshot(signature, message)
            }
            Key::Public(key) if self.algorithm == Algorithm::ES256 => {
                let Some(der) = der(signature)? else {
                    return Ok(false);
                };
                Verifier::new(MessageDigest::sha256(), key)?.verify_oneshot(&der, message)
            }
            Key::Public(key) => {
                Verifier::new(MessageDigest::sha256(), key)?.verify_oneshot(signature, message)
            }
        }
    }
}

impl signature::Verifier<Vec<u8>> for SignatureVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        match self.is_right(message, signature) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(signature::Error::new()),
        }
    }
}

impl JwtVerifier for SignatureVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn secret(bytes: &[u8]) -> Option<PKey<Private>> {
    PKey::hmac(bytes).ok()
}

fn rsa(kind: &DecodingKeyKind) -> Option<PKey<Public>> {
    let DecodingKeyKind::RsaModulusExponent { n, e } = kind else {
        return None;
    };
    let (n, e) = (BigNum::from_slice(n).ok()?, BigNum::from_slice(e).ok()?);
    if n.num_bits() < RSA_MIN_BITS {
        return None;
    }
    PKey::from_rsa(Rsa::from_public_components(n, e).ok()?).ok()
}

/// From an uncompressed point (SEC 1, 2.3.3); OpenSSL refuses one that is not on the curve.
fn p256(point: &[u8]) -> Option<PKey<Public>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).ok()?;
    let mut context = BigNumContext::new().ok()?;
    let point = EcPoint::from_bytes(&group, point, &mut context).ok()?;
    PKey::from_ec_key(EcKey::from_public_key(&group, &point).ok()?).ok()
}

fn ed25519(bytes: &[u8]) -> Option<PKey<Public>> {
    PKey::public_key_from_raw_bytes(bytes, Id::ED25519).ok()
}

/// An ES256 signature as OpenSSL reads it; `None` if it has another length.
fn der(signature: &[u8]) -> Result<Option<Vec<u8>>, ErrorStack> {
    if signature.len() != ES256_BYTES {
        return Ok(None);
    }
    let (r, s) = signature.split_at(ES256_BYTES / 2);
    let numbers = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
    let signature = EcdsaSig::from_private_components(numbers.0, numbers.1)?;
    signature.to_der().map(Some)
}
