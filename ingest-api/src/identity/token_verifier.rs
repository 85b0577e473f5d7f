use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use prometheus::IntCounter;
use serde_json::{Map, Value};

use super::verified_tokens::TokenHash;
use super::{IdentityMetrics, ShopClaim, TokenError, TokenKeys, VerifiedToken, signatures};

/// How many seconds the clock of the identity provider may differ. A token is accepted that much earlier and longer.
const CLOCK_TOLERANCE_SECONDS: u64 = 10;

/// What a token must say, besides who it is for and until when.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// AUTH_ISSUER
    pub issuer: String,
    /// AUTH_AUDIENCE
    pub audience: String,
    /// AUTH_SHOP_CLAIM
    pub shop_claim: ShopClaim,
}

impl TokenRules {
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.validate_nbf = true;
        validation.leeway = CLOCK_TOLERANCE_SECONDS;
        validation
    }
}

/// Verifies tokens. An accepted token is remembered until it expires; a refused one is not.
pub struct TokenVerifier {
    keys: Arc<TokenKeys>,
    rules: TokenRules,
    metrics: IdentityMetrics,
    /// Of the metrics: the tokens that had been verified before. Looked up once, not with each request.
    found_in_memory: IntCounter,
}

impl TokenVerifier {
    /// The longest token in bytes.
    pub const TOKEN_MAX_BYTES: usize = 8_192;

    /// A verifier with the keys that `keys` has at the time.
    pub fn new(keys: Arc<TokenKeys>, rules: TokenRules, metrics: IdentityMetrics) -> Self {
        signatures::use_openssl();
        let checks = &metrics.token_checks_total;
        Self {
            keys,
            rules,
            found_in_memory: checks.with_label_values(&["memory"]),
            metrics,
        }
    }

    /// Verifies a token: its signature with a known key, and its claims.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        self.find_or_verify(token).inspect_err(|error| {
            let invalid = &self.metrics.invalid_tokens_total;
            invalid.with_label_values(&[error.reason()]).inc();
        })
    }

    fn find_or_verify(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.len() > Self::TOKEN_MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        let keys = self.keys.current();
        let keys = keys.as_ref().ok_or(TokenError::NoKeys)?;
        let hash = TokenHash::of(token);
        if let Some(token) = keys.verified.find(&hash, get_current_timestamp()) {
            self.found_in_memory.inc();
            return Ok(token);
        }
        let checks = &self.metrics.token_checks_total;
        checks.with_label_values(&["signature"]).inc();

        let header = decode_header(token)?;
        // Extensions that must be understood (RFC 7515, 4.1.11); none is.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let key = keys.keys.find(header.kid.as_deref(), header.alg);
        let key = key.inspect_err(|error| {
            if *error == TokenError::UnknownKey {
                self.keys.note_unknown();
            }
        })?;
        let validation = self.rules.validation(key.algorithm);
        let claims: Map<String, Value> = decode(token, &key.key, &validation)?.claims;
        let token = Arc::new(self.verified(&claims)?);
        keys.verified.insert(hash, Arc::clone(&token));
        Ok(token)
    }

    fn verified(&self, claims: &Map<String, Value>) -> Result<VerifiedToken, TokenError> {
        let subject = claims.get("sub").and_then(Value::as_str);
        // A NumericDate may have decimals (RFC 7519).
        let expires = claims.get("exp").and_then(Value::as_f64);
        let expires = expires.ok_or(TokenError::Claim("exp"))?.round() as u64;
        Ok(VerifiedToken {
            subject: subject.ok_or(TokenError::Claim("sub"))?.to_owned(),
            may_administer: self.rules.shop_claim.is_in(claims),
            valid_until: expires.saturating_add(CLOCK_TOLERANCE_SECONDS),
        })
    }
}
