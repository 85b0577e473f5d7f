use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use openssl::base64::encode_block;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::Private;
use openssl::sha::sha256;
use serde_json::{Value, json};

/// `AUTH_ISSUER` and `AUTH_AUDIENCE` of an API that knows the provider.
pub const ISSUER: &str = "https://login.example";
pub const AUDIENCE: &str = "shop";

const KEY_ID: &str = "bench";
/// How long its tokens are valid: longer than any run.
const VALID_SECONDS: u64 = 86_400;

/// An identity provider with one key (ES256).
pub struct IdentityProvider(EcKey<Private>);

impl IdentityProvider {
    pub fn new() -> Result<Self> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        Ok(Self(EcKey::generate(&group)?))
    }

    /// Its JWK Set.
    pub fn jwks(&self) -> Result<String> {
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let (point, group) = (self.0.public_key(), self.0.group());
        point.affine_coordinates(group, &mut x, &mut y, &mut *BigNumContext::new()?)?;
        let (x, y) = (coordinate(&x)?, coordinate(&y)?);
        let key = json!({"kty": "EC", "crv": "P-256", "kid": KEY_ID, "x": url_safe(&x), "y": url_safe(&y)});
        Ok(json!({"keys": [key]}).to_string())
    }

    /// A buyer's token.
    pub fn token(&self, user: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": KEY_ID});
        let expires = now + VALID_SECONDS;
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": expires});
        let part = |it: &Value| url_safe(it.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = EcdsaSig::sign(&sha256(message.as_bytes()), &self.0)?;
        let numbers = [coordinate(signature.r())?, coordinate(signature.s())?];
        Ok(format!("{message}.{}", url_safe(&numbers.concat())))
    }
}

/// In the 32 bytes of P-256.
fn coordinate(number: &openssl::bn::BigNumRef) -> Result<Vec<u8>> {
    Ok(number.to_vec_padded(32)?)
}

fn url_safe(bytes: &[u8]) -> String {
    let text = encode_block(bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}
