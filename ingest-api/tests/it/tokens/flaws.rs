//! Tokens that are not accepted.

use ingest_api::identity::{KeySet, TokenError};
use serde_json::{Value, json};

use super::{SECRET, Verification, with};
use crate::fixture::tokens::{AUDIENCE, ProviderKey, claims, now, url_safe};

fn without(name: &str) -> Value {
    let mut claims = claims("ada");
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn every_flaw_of_the_claims_is_refused() {
    let key = ProviderKey::ed25519("e");
    let verification = Verification::of(&[&key]);
    for (claims, error) in [
        (with("exp", json!(now() - 60)), TokenError::Expired),
        (without("exp"), TokenError::Claim("exp")),
        (with("exp", json!("tomorrow")), TokenError::Claim("exp")),
        (with("exp", Value::Null), TokenError::Claim("exp")),
        (with("nbf", json!(now() + 60)), TokenError::NotYetValid),
        (with("nbf", json!("tomorrow")), TokenError::Claim("nbf")),
        (
            with("iss", json!("https://else.example")),
            TokenError::Issuer,
        ),
        (without("iss"), TokenError::Claim("iss")),
        (with("aud", json!("elsewhere")), TokenError::Audience),
        (with("aud", json!(["elsewhere"])), TokenError::Audience),
        (without("aud"), TokenError::Claim("aud")),
        (without("sub"), TokenError::Claim("sub")),
        (with("sub", json!(7)), TokenError::Claim("sub")),
        (json!({}), TokenError::Claim("")),
        (json!([]), TokenError::Malformed),
    ] {
        let seen = verification.subject(&key.token(&claims)).unwrap_err();
        let is_right = match error {
            TokenError::Claim("") => matches!(seen, TokenError::Claim(_)),
            error => seen == error,
        };
        assert!(is_right, "{claims}: {seen:?}");
    }
    for claims in [
        with("exp", json!(now() as f64 + 60.5)),
        with("nbf", json!(now())),
        with("aud", json!([AUDIENCE, "elsewhere"])),
        with("sub", json!("Jörg\u{301}")),
    ] {
        let subject = claims["sub"].as_str().unwrap().to_owned();
        assert_eq!(verification.subject(&key.token(&claims)), Ok(subject));
    }
}

#[test]
fn a_token_is_checked_with_the_algorithm_of_the_key_only() {
    let (rsa, p256) = (ProviderKey::rsa("r"), ProviderKey::p256("p"));
    let verification = Verification::of(&[&rsa, &p256]);
    let header = |algorithm: &str, id: &str| json!({"alg": algorithm, "kid": id});
    // The public key as a secret: in each form in which an attacker has it.
    let n = rsa.jwk["n"].as_str().unwrap().to_owned();
    for public in [n.into_bytes(), rsa.jwk.to_string().into_bytes()] {
        let forged = ProviderKey::secret(&public);
        for id in ["r", "p"] {
            let token = forged.token_with(&header("HS256", id), &claims("ada"));
            assert_eq!(verification.subject(&token), Err(TokenError::Algorithm));
        }
    }
    for (algorithm, error) in [
        ("none", TokenError::Malformed),
        ("NONE", TokenError::Malformed),
        ("", TokenError::Malformed),
        ("ES256", TokenError::Algorithm),
        ("PS256", TokenError::Algorithm),
        ("RS512", TokenError::Algorithm),
        ("EdDSA", TokenError::Algorithm),
    ] {
        let token = rsa.token_with(&header(algorithm, "r"), &claims("ada"));
        assert_eq!(verification.subject(&token), Err(error), "{algorithm}");
    }
    let unsigned =
        [header("none", "r"), claims("ada")].map(|it| url_safe(it.to_string().as_bytes()));
    let unsigned = format!("{}.", unsigned.join("."));
    assert_eq!(verification.subject(&unsigned), Err(TokenError::Malformed));
    let secret = Verification::with(KeySet::secret(SECRET));
    assert_eq!(
        secret.subject(&rsa.buyer("ada")),
        Err(TokenError::Algorithm)
    );
    assert_eq!(secret.subject(&unsigned), Err(TokenError::Malformed));
}

#[test]
fn a_token_that_was_changed_is_refused() {
    for key in [
        ProviderKey::rsa("k"),
        ProviderKey::p256("k"),
        ProviderKey::ed25519("k"),
        ProviderKey::secret(SECRET),
    ] {
        let verification = match key.jwk["kty"] == "oct" {
            true => Verification::with(KeySet::secret(SECRET)),
            false => Verification::of(&[&key]),
        };
        let (good, other) = (key.buyer("ada"), key.buyer("eve"));
        let parts: Vec<_> = good.split('.').collect();
        let others: Vec<_> = other.split('.').collect();
        let header = url_safe(json!({"alg": "none"}).to_string().as_bytes());
        for (text, error) in [
            (
                format!("{}.{}.{}", parts[0], others[1], parts[2]),
                TokenError::Signature,
            ),
            (
                format!("{}.{}.{}", parts[0], parts[1], others[2]),
                TokenError::Signature,
            ),
            (format!("{}.{}.", parts[0], parts[1]), TokenError::Signature),
            (
                format!("{}.{}.AAAA", parts[0], parts[1]),
                TokenError::Signature,
            ),
            (
                format!("{header}.{}.{}", parts[1], parts[2]),
                TokenError::Malformed,
            ),
            (format!("{}.{}", parts[0], parts[1]), TokenError::Malformed),
            (format!("{good}.more"), TokenError::Malformed),
            (format!("{good}="), TokenError::Malformed),
            (String::new(), TokenError::Malformed),
            ("only-for-these-tests".to_owned(), TokenError::Malformed),
        ] {
            assert_eq!(verification.subject(&text), Err(error), "{text}");
        }
        assert_eq!(verification.subject(&good), Ok("ada".into()));
    }
}

#[test]
fn a_token_that_is_too_long_or_needs_an_unknown_extension_is_refused() {
    let key = ProviderKey::ed25519("e");
    let verification = Verification::of(&[&key]);
    let long = key.token(&with("more", json!("x".repeat(8_192))));
    assert_eq!(verification.subject(&long), Err(TokenError::Malformed));
    let header = json!({"alg": "EdDSA", "kid": "e", "crit": ["exp"], "exp": 1});
    let critical = key.token_with(&header, &claims("ada"));
    assert_eq!(verification.subject(&critical), Err(TokenError::Malformed));
}
