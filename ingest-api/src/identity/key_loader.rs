use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_service::ops::Check;
use tokio::select;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{IdentityMetrics, JwksSource, KeySet, LoadError, TokenKeys};

/// When the keys are loaded again.
#[derive(Debug, Clone, Copy)]
pub struct LoadIntervals {
    /// After they were loaded.
    pub refresh: Duration,
    /// After an attempt that failed.
    pub retry: Duration,
    /// After any attempt, if a token names an unknown key.
    pub unknown_key: Duration,
}

impl Default for LoadIntervals {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(300),
            retry: Duration::from_secs(5),
            unknown_key: Duration::from_secs(60),
        }
    }
}

/// How often it looks whether an attempt is due.
const TICK: Duration = Duration::from_millis(500);

/// Loads the keys of AUTH_JWKS_FILE or AUTH_JWKS_URL again and again. A source that fails changes nothing: the keys that are
/// known stay in use.
#[derive(Clone)]
pub struct KeyLoader {
    source: JwksSource,
    keys: Arc<TokenKeys>,
    intervals: LoadIntervals,
    metrics: IdentityMetrics,
}

/// The last attempt to load the keys.
struct Attempt {
    at: Instant,
    failure: Option<String>,
}

impl KeyLoader {
    /// Loads the keys of `source` into `keys`.
    pub fn new(
        source: JwksSource,
        keys: Arc<TokenKeys>,
        intervals: LoadIntervals,
        metrics: IdentityMetrics,
    ) -> Self {
        Self {
            source,
            keys,
            intervals,
            metrics,
        }
    }

    /// Runs until `stop`. `check` passes as soon as any keys are known, and for good.
    pub async fn run(self, check: Check, stop: CancellationToken) {
        let mut loaded_at = Instant::now();
        let mut last: Option<Attempt> = None;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if last.as_ref().is_none_or(|last| self.is_due(last)) {
                self.keys.take_unknown();
                let loaded = select! {
                    () = stop.cancelled() => return,
                    loaded = self.source.load() => loaded,
                };
                let attempt = self.finish(loaded, last.as_ref());
                if attempt.failure.is_none() {
                    loaded_at = attempt.at;
                }
                match &attempt.failure {
                    Some(failure) if self.keys.current().is_none() => check.fail(failure),
                    _ => check.pass(),
                }
                last = Some(attempt);
            }
            let age = loaded_at.elapsed().as_secs_f64();
            self.metrics.jwks_age_seconds.set(age);
        }
    }

    fn is_due(&self, last: &Attempt) -> bool {
        let since = last.at.elapsed();
        let regular = match last.failure {
            None => self.intervals.refresh,
            Some(_) => self.intervals.retry,
        };
        since >= regular || (since >= self.intervals.unknown_key && self.keys.take_unknown())
    }

    /// Uses the keys if they were loaded. A failure is logged once, until another one follows.
    fn finish(&self, loaded: Result<KeySet, LoadError>, last: Option<&Attempt>) -> Attempt {
        let before = last.and_then(|last| last.failure.as_deref());
        let (outcome, failure) = match loaded {
            Ok(keys) => {
                if last.is_none() || before.is_some() {
                    tracing::info!(keys = keys.count(), "loaded the keys that verify tokens");
                }
                self.keys.replace(keys);
                ("loaded", None)
            }
            Err(error) => {
                let error = error.to_string();
                if before != Some(&*error) {
                    tracing::warn!(error, "cannot load the keys that verify tokens");
                }
                ("failed", Some(error))
            }
        };
        let loads = &self.metrics.jwks_loads_total;
        loads.with_label_values(&[outcome]).inc();
        Attempt {
            at: Instant::now(),
            failure,
        }
    }
}
