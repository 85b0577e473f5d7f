use std::sync::Arc;

use fluxgate_service::settings::refuse;

use super::{
    IdentityMetrics, JwksSource, KeyLoader, KeySet, LoadIntervals, TokenKeys, TokenRules,
    TokenVerifier,
};
use crate::config::IdentitySettings;

/// The identity provider of the settings: its tokens are verified, with keys that stay current.
#[derive(Clone)]
pub struct IdentityProvider {
    /// Verifies its tokens.
    pub verifier: Arc<TokenVerifier>,
    /// Loads its keys; `None` for a secret, which does not change.
    pub loader: Option<KeyLoader>,
}

impl IdentityProvider {
    /// `None` if the settings name no keys.
    ///
    /// Exits if TLS cannot be set up for AUTH_JWKS_URL.
    pub fn from_settings(settings: &IdentitySettings, metrics: IdentityMetrics) -> Option<Self> {
        let rules = TokenRules {
            issuer: settings.auth_issuer.clone()?,
            audience: settings.auth_audience.clone()?,
            shop_claim: settings.auth_shop_claim.clone(),
        };
        let keys = TokenKeys::new(settings.auth_cache_max as usize, metrics.clone());
        let mut source = None;
        if let Some(secret) = &settings.auth_hs256_secret {
            keys.replace(KeySet::secret(secret.as_bytes()));
        } else if let Some(file) = &settings.auth_jwks_file {
            keys.replace(file.keys().clone());
            source = Some(file.source());
        } else if let Some(url) = &settings.auth_jwks_url {
            if !url.is_encrypted() {
                tracing::warn!(
                    "AUTH_JWKS_URL is not https; who controls the network can replace the keys"
                );
            }
            let server = JwksSource::server(url, settings.auth_jwks_ca_file.as_ref());
            source = Some(server.unwrap_or_else(|error| refuse("AUTH_JWKS_URL", error)));
        }
        let keys = Arc::new(keys);
        let intervals = LoadIntervals::default();
        let loader = |source| KeyLoader::new(source, Arc::clone(&keys), intervals, metrics.clone());
        let loader = source.map(loader);
        let verifier = TokenVerifier::new(keys, rules, metrics);
        Some(Self {
            verifier: Arc::new(verifier),
            loader,
        })
    }
}
