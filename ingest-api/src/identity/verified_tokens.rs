use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::IdentityMetrics;

/// A token whose signature and claims have been verified.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The claim `sub`.
    pub subject: String,
    /// Whether it may make admin calls.
    pub may_administer: bool,
    /// The last second since 1970 in which it is accepted.
    pub valid_until: u64,
}

/// Verified tokens in memory, by the SHA-256 of the whole token. An expired one is never found.
pub struct VerifiedTokens {
    tokens: Cache<TokenHash, Arc<VerifiedToken>>,
    metrics: IdentityMetrics,
}

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl VerifiedTokens {
    /// At most `max` tokens.
    pub fn new(max: usize, metrics: IdentityMetrics) -> Self {
        metrics.verified_tokens.set(0);
        Self {
            tokens: Cache::new(max),
            metrics,
        }
    }

    /// A token, if it has been verified and is still accepted at `now`.
    pub fn find(&self, hash: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        let token = self.tokens.get(hash)?;
        (now <= token.valid_until).then_some(token)
    }

    /// Keeps a token.
    pub fn insert(&self, hash: TokenHash, token: Arc<VerifiedToken>) {
        self.tokens.insert(hash, token);
        let count = i64::try_from(self.tokens.len()).unwrap_or(i64::MAX);
        self.metrics.verified_tokens.set(count);
    }
}
