//! Verified tokens in memory.

use std::thread::sleep;
use std::time::Duration;

use ingest_api::identity::TokenError;
use serde_json::json;

use super::{Verification, key_set, with};
use crate::fixture::tokens::{ProviderKey, now};

#[test]
fn a_verified_token_is_not_verified_again_until_it_expires() {
    let key = ProviderKey::rsa("r");
    let verification = Verification::of(&[&key]);
    let token = key.buyer("ada");
    for _ in 0..3 {
        assert_eq!(verification.subject(&token), Ok("ada".into()));
    }
    assert_eq!(
        (
            verification.checks("signature"),
            verification.checks("memory")
        ),
        (1, 2)
    );
    assert_eq!(verification.metrics.verified_tokens.get(), 1);

    // Within the tolerance for clocks that differ, for two more seconds.
    let old = key.token(&with("exp", json!(now() - 8)));
    assert_eq!(verification.subject(&old), Ok("ada".into()));
    while verification.subject(&old).is_ok() {
        sleep(Duration::from_millis(20));
    }
    assert_eq!(verification.subject(&old), Err(TokenError::Expired));
}

#[test]
fn refused_tokens_are_not_kept_and_kept_ones_are_bounded() {
    let key = ProviderKey::ed25519("e");
    let verification = Verification::with_at_most(10, key_set(&[&key]));
    let expired = key.token(&with("exp", json!(now() - 60)));
    for _ in 0..3 {
        assert_eq!(verification.subject(&expired), Err(TokenError::Expired));
    }
    assert_eq!(verification.metrics.verified_tokens.get(), 0);
    for n in 0..100 {
        verification
            .subject(&key.buyer(&format!("user-{n}")))
            .unwrap();
    }
    let kept = verification.metrics.verified_tokens.get();
    assert!((1..=10).contains(&kept), "{kept}");
}
