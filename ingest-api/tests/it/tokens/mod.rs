//! Which tokens are accepted.

mod flaws;
mod keys;
mod memory;

use std::sync::Arc;

use ingest_api::identity::{
    IdentityMetrics, KeySet, TokenError, TokenKeys, TokenRules, TokenVerifier,
};
use prometheus::Registry;
use serde_json::Value;

use crate::fixture::tokens::{AUDIENCE, ISSUER, ProviderKey, claims, jwks};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

struct Verification {
    keys: Arc<TokenKeys>,
    verifier: TokenVerifier,
    metrics: IdentityMetrics,
}

impl Verification {
    fn with(keys: KeySet) -> Self {
        Self::with_at_most(100, keys)
    }

    fn with_at_most(verified_max: usize, set: KeySet) -> Self {
        let metrics = IdentityMetrics::register(&Registry::new(), "ingest_api");
        let keys = Arc::new(TokenKeys::new(verified_max, metrics.clone()));
        keys.replace(set);
        let rules = TokenRules {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            shop_claim: "scope=fluxgate:shop".parse().unwrap(),
        };
        Self {
            verifier: TokenVerifier::new(Arc::clone(&keys), rules, metrics.clone()),
            keys,
            metrics,
        }
    }

    fn of(keys: &[&ProviderKey]) -> Self {
        Self::with(key_set(keys))
    }

    /// The subject of a token.
    fn subject(&self, token: &str) -> Result<String, TokenError> {
        self.verifier.verify(token).map(|it| it.subject.clone())
    }

    fn checks(&self, source: &str) -> u64 {
        let checks = &self.metrics.token_checks_total;
        checks.with_label_values(&[source]).get()
    }
}

fn key_set(keys: &[&ProviderKey]) -> KeySet {
    KeySet::parse(jwks(keys).as_bytes()).unwrap()
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("ada");
    claims[name] = value;
    claims
}

#[test]
fn tokens_of_each_algorithm_are_accepted() {
    let keys = [
        ProviderKey::rsa("r"),
        ProviderKey::p256("p"),
        ProviderKey::ed25519("e"),
    ];
    let verification = Verification::of(&keys.each_ref());
    for key in &keys {
        assert_eq!(verification.subject(&key.buyer("ada")), Ok("ada".into()));
    }
    let secret = Verification::with(KeySet::secret(SECRET));
    let token = ProviderKey::secret(SECRET).buyer("ada");
    assert_eq!(secret.subject(&token), Ok("ada".into()));
}
