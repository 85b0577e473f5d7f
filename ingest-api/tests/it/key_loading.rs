//! The keys of AUTH_JWKS_FILE and AUTH_JWKS_URL: sources that fail, and keys that change.

use std::sync::Arc;
use std::time::Duration;

use fluxgate_service::ops::{Need, Readiness};
use ingest_api::identity::{
    IdentityMetrics, JwksFile, JwksSource, KeyLoader, LoadIntervals, TokenError, TokenKeys,
    TokenRules, TokenVerifier,
};
use prometheus::Registry;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fixture::tokens::{AUDIENCE, ISSUER, ProviderKey, jwks};
use crate::fixture::{JwksAnswer, JwksServer, unique, until};

const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(100);

/// A loader that runs until this is dropped.
struct Loading {
    verifier: TokenVerifier,
    readiness: Readiness,
    metrics: IdentityMetrics,
    stop: CancellationToken,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Loading {
    fn start(source: JwksSource, intervals: LoadIntervals) -> Self {
        let metrics = IdentityMetrics::register(&Registry::new(), "ingest_api");
        let keys = Arc::new(TokenKeys::new(100, metrics.clone()));
        let loader = KeyLoader::new(source, Arc::clone(&keys), intervals, metrics.clone());
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let check = readiness.check("jwks", Need::Required);
        tokio::spawn(loader.run(check, stop.clone()));
        let rules = TokenRules {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            shop_claim: "scope=fluxgate:shop".parse().unwrap(),
        };
        Self {
            verifier: TokenVerifier::new(keys, rules, metrics.clone()),
            readiness,
            metrics,
            stop,
        }
    }

    fn from_server(server: &JwksServer, intervals: LoadIntervals) -> Self {
        let url = server.url.parse().unwrap();
        Self::start(JwksSource::server(&url, None).unwrap(), intervals)
    }

    fn takes(&self, token: &str) -> bool {
        self.verifier.verify(token).is_ok()
    }

    async fn until_ready(&self) {
        until("the keys are loaded", async || {
            self.readiness.report().is_ready()
        })
        .await;
    }

    fn loads(&self, outcome: &str) -> u64 {
        let loads = &self.metrics.jwks_loads_total;
        loads.with_label_values(&[outcome]).get()
    }
}

/// Loads again and again.
fn often() -> LoadIntervals {
    LoadIntervals {
        refresh: SHORT,
        retry: SHORT,
        unknown_key: LONG,
    }
}

fn failures() -> [JwksAnswer; 9] {
    let content = |text: &str| JwksAnswer::Content(text.to_owned());
    let too_large = format!(r#"{{"keys": [], "more": "{}"}}"#, "x".repeat(300_000));
    [
        JwksAnswer::Nothing,
        JwksAnswer::Closed,
        JwksAnswer::Endless,
        JwksAnswer::Status("500 Internal Server Error"),
        JwksAnswer::Status("302 Found"),
        content("<html>"),
        content(r#"{"error": "not here"}"#),
        content(r#"{"keys": []}"#),
        content(&too_large),
    ]
}

#[tokio::test]
async fn a_source_that_fails_leaves_the_known_keys_in_use() {
    let key = ProviderKey::ed25519("e");
    let good = JwksAnswer::Content(jwks(&[&key]));
    let server = JwksServer::start(good.clone()).await;
    let loading = Loading::from_server(&server, often());
    loading.until_ready().await;
    for failure in failures() {
        let failed = loading.loads("failed");
        server.answer(failure.clone());
        until("an attempt has failed", async || {
            loading.loads("failed") > failed
        })
        .await;
        assert!(loading.takes(&key.buyer("ada")), "{failure:?}");
        assert!(loading.readiness.report().is_ready(), "{failure:?}");
    }
    let loaded = loading.loads("loaded");
    server.answer(good);
    until("the keys are loaded again", async || {
        loading.loads("loaded") > loaded
    })
    .await;
}

#[tokio::test]
async fn without_keys_no_token_is_judged_until_the_source_answers() {
    let key = ProviderKey::ed25519("e");
    for failure in failures() {
        let server = JwksServer::start(failure.clone()).await;
        let loading = Loading::from_server(&server, often());
        until("an attempt has failed", async || {
            loading.loads("failed") > 0
        })
        .await;
        let report = loading.readiness.report();
        assert!(!report.is_ready(), "{failure:?}");
        assert_ne!(report.checks["jwks"], "starting", "{failure:?}");
        let refused = loading.verifier.verify(&key.buyer("ada")).unwrap_err();
        assert_eq!(refused, TokenError::NoKeys);
        server.answer(JwksAnswer::Content(jwks(&[&key])));
        loading.until_ready().await;
        assert!(loading.takes(&key.buyer("ada")), "{failure:?}");
    }
}

#[tokio::test]
async fn keys_change_with_the_source() {
    let (old, new) = (ProviderKey::rsa("old"), ProviderKey::p256("new"));
    let server = JwksServer::start(JwksAnswer::Content(jwks(&[&old]))).await;
    let loading = Loading::from_server(&server, often());
    loading.until_ready().await;
    server.answer(JwksAnswer::Content(jwks(&[&old, &new])));
    until("the new key is known", async || {
        loading.takes(&new.buyer("ada"))
    })
    .await;
    assert!(loading.takes(&old.buyer("ada")));
    server.answer(JwksAnswer::Content(jwks(&[&new])));
    until("the old key is gone", async || {
        !loading.takes(&old.buyer("ada"))
    })
    .await;
    assert!(loading.takes(&new.buyer("ada")));
}

#[tokio::test]
async fn tokens_with_unknown_keys_load_the_keys_again_but_seldom() {
    let (old, new) = (ProviderKey::ed25519("old"), ProviderKey::ed25519("new"));
    let server = JwksServer::start(JwksAnswer::Content(jwks(&[&old]))).await;
    let intervals = LoadIntervals {
        refresh: LONG,
        retry: LONG,
        unknown_key: Duration::from_secs(2),
    };
    let loading = Loading::from_server(&server, intervals);
    loading.until_ready().await;
    server.answer(JwksAnswer::Content(jwks(&[&old, &new])));
    // Tokens without a flaw do not.
    assert!(loading.takes(&old.buyer("ada")));
    let nameless = old.token_with(&json!({"alg": "RS256"}), &json!({}));
    assert!(!loading.takes(&nameless));
    assert_eq!(server.requests(), 1);
    let mut refused = 0;
    until("the new key is known", async || {
        for n in 0..1_000 {
            refused += u32::from(!loading.takes(&new.buyer(&format!("user-{n}"))));
        }
        loading.takes(&new.buyer("ada"))
    })
    .await;
    assert!(refused >= 1_000, "{refused}");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn an_unknown_key_loads_nothing_before_its_interval_has_passed() {
    let (known, unknown) = (ProviderKey::ed25519("known"), ProviderKey::ed25519("other"));
    let server = JwksServer::start(JwksAnswer::Content(jwks(&[&known]))).await;
    let loading = Loading::from_server(&server, LoadIntervals::default());
    loading.until_ready().await;
    let age = || loading.metrics.jwks_age_seconds.get();
    until("two seconds have passed", async || {
        assert!(!loading.takes(&unknown.buyer("ada")));
        age() >= 2.0
    })
    .await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_file_is_read_at_start_and_again() {
    let (old, new) = (ProviderKey::p256("old"), ProviderKey::p256("new"));
    let path = std::env::temp_dir().join(unique("jwks"));
    let text = path.to_str().unwrap();
    assert!(text.parse::<JwksFile>().is_err());
    for unusable in ["", "{}", &" ".repeat(300_000)] {
        std::fs::write(&path, unusable).unwrap();
        assert!(text.parse::<JwksFile>().is_err());
    }
    std::fs::write(&path, jwks(&[&old])).unwrap();
    let file: JwksFile = text.parse().unwrap();
    let loading = Loading::start(file.source(), often());
    loading.until_ready().await;
    assert!(loading.takes(&old.buyer("ada")));
    std::fs::write(&path, "half a fil").unwrap();
    until("reading has failed", async || loading.loads("failed") > 0).await;
    assert!(loading.takes(&old.buyer("ada")));
    std::fs::write(&path, jwks(&[&new])).unwrap();
    until("the new key is known", async || {
        loading.takes(&new.buyer("ada"))
    })
    .await;
    assert!(!loading.takes(&old.buyer("ada")));
    std::fs::remove_file(&path).unwrap();
}
