use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use super::verified_tokens::VerifiedTokens;
use super::{IdentityMetrics, KeySet};

/// The keys that are in use, with the tokens that they have verified.
pub struct TokenKeys {
    current: ArcSwapOption<KeysInUse>,
    has_unknown: AtomicBool,
    verified_max: usize,
    metrics: IdentityMetrics,
}

pub struct KeysInUse {
    pub keys: KeySet,
    /// Goes with a key that is removed: its tokens are not accepted any more. Shared with the keys before if none was removed.
    pub verified: Arc<VerifiedTokens>,
}

impl TokenKeys {
    /// No keys yet; at most `verified_max` verified tokens are kept.
    pub fn new(verified_max: usize, metrics: IdentityMetrics) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            has_unknown: AtomicBool::new(false),
            verified_max,
            metrics,
        }
    }

    /// The keys in use, if any have been loaded.
    pub(super) fn current(&self) -> Guard<Option<Arc<KeysInUse>>> {
        self.current.load()
    }

    /// Uses these keys from now on.
    pub fn replace(&self, keys: KeySet) {
        let count = i64::try_from(keys.count()).unwrap_or(i64::MAX);
        self.metrics.token_keys.set(count);
        let previous = self.current.load_full();
        let kept = previous.filter(|previous| keys.contains_all(&previous.keys));
        let verified = kept.map_or_else(
            || Arc::new(VerifiedTokens::new(self.verified_max, self.metrics.clone())),
            |previous| Arc::clone(&previous.verified),
        );
        self.current
            .store(Some(Arc::new(KeysInUse { keys, verified })));
    }

    /// Notes that a token names a key that is not known.
    pub(super) fn note_unknown(&self) {
        self.has_unknown.store(true, Ordering::Relaxed);
    }

    /// Whether a token has named an unknown key since the last call.
    pub(super) fn take_unknown(&self) -> bool {
        self.has_unknown.swap(false, Ordering::Relaxed)
    }
}
