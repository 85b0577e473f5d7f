//! Which key verifies a token.

use ingest_api::identity::{KeySet, TokenError};
use serde_json::json;

use super::{SECRET, Verification, key_set};
use crate::fixture::tokens::{ProviderKey, claims, url_safe};

#[test]
fn a_token_names_its_key_unless_there_is_one_only() {
    let (first, second) = (ProviderKey::ed25519("1"), ProviderKey::ed25519("2"));
    let nameless = |key: &ProviderKey| key.token_with(&json!({"alg": "EdDSA"}), &claims("ada"));
    let one = Verification::of(&[&first]);
    assert_eq!(one.subject(&nameless(&first)), Ok("ada".into()));
    assert_eq!(one.subject(&nameless(&second)), Err(TokenError::Signature));
    assert_eq!(
        one.subject(&second.buyer("ada")),
        Err(TokenError::UnknownKey)
    );
    let two = Verification::of(&[&first, &second]);
    assert_eq!(
        two.subject(&nameless(&first)),
        Err(TokenError::AmbiguousKey)
    );
}

#[test]
fn only_fit_keys_of_a_set_are_used() {
    let fit = ProviderKey::rsa("fit");
    let mut unfit = vec![
        ProviderKey::rsa_of("short", 1_024).jwk,
        ProviderKey::secret(SECRET).jwk,
        json!({"kty": "EC", "crv": "P-256", "kid": "off-curve", "x": url_safe(&[1; 32]), "y": url_safe(&[2; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "too-short", "x": url_safe(&[1; 31])}),
        json!({"kty": "new", "kid": "new"}),
        json!("nonsense"),
    ];
    for (field, value) in [
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("alg", json!("HS256")),
        ("key_ops", json!(["encrypt"])),
    ] {
        let mut jwk = ProviderKey::rsa("other-use").jwk;
        jwk[field] = value;
        unfit.push(jwk);
    }
    for jwk in &unfit {
        let set = json!({"keys": [jwk]}).to_string();
        assert!(KeySet::parse(set.as_bytes()).is_err(), "{jwk}");
    }
    unfit.push(fit.jwk.clone());
    let set = KeySet::parse(json!({"keys": unfit}).to_string().as_bytes()).unwrap();
    assert_eq!(set.count(), 1);
    assert_eq!(
        Verification::with(set).subject(&fit.buyer("ada")),
        Ok("ada".into())
    );
    for content in [
        "",
        "<html>",
        "{}",
        "[]",
        r#"{"keys": []}"#,
        r#"{"keys": 1}"#,
    ] {
        assert!(KeySet::parse(content.as_bytes()).is_err(), "{content}");
    }
}

#[test]
fn tokens_of_a_removed_key_are_refused_and_those_of_the_others_stay_known() {
    let (old, new) = (ProviderKey::ed25519("old"), ProviderKey::ed25519("new"));
    let verification = Verification::of(&[&old]);
    let token = old.buyer("ada");
    assert_eq!(verification.subject(&token), Ok("ada".into()));
    verification.keys.replace(key_set(&[&old, &new]));
    assert_eq!(verification.subject(&token), Ok("ada".into()));
    assert_eq!(verification.checks("memory"), 1);
    verification.keys.replace(key_set(&[&new]));
    assert_eq!(verification.subject(&token), Err(TokenError::UnknownKey));
    // Another key with the same `kid`.
    verification
        .keys
        .replace(key_set(&[&ProviderKey::ed25519("old")]));
    assert_eq!(verification.subject(&token), Err(TokenError::Signature));
}
