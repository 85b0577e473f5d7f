use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// What a failing check means for the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The service cannot work without it: `/readyz` answers 503.
    Required,
    /// The service continues without it, `degraded`: `/readyz` still answers 200.
    Optional,
}

/// Whether the service accepts traffic. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    draining: CancellationToken,
    checks: Arc<Mutex<Checks>>,
}

type Checks = BTreeMap<&'static str, (Need, Result<(), String>)>;

/// One dependency's entry in [`Readiness`], updated by the task that uses the dependency.
#[derive(Debug, Clone)]
pub struct Check {
    readiness: Readiness,
    name: &'static str,
}

/// The body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ok`, `degraded` or `unavailable`.
    pub status: &'static str,
    /// Each check's name with `ok` or the reason of the failure.
    pub checks: BTreeMap<&'static str, String>,
}

impl Readiness {
    /// Adds a check. It fails with the reason `starting` until it is first set.
    pub fn check(&self, name: &'static str, need: Need) -> Check {
        self.with(|checks| checks.insert(name, (need, Err("starting".into()))));
        Check {
            readiness: self.clone(),
            name,
        }
    }

    /// Refuses traffic from now on, for good.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Waits until the service drains.
    pub async fn drained(&self) {
        self.draining.cancelled().await;
    }

    /// The current answer of `/readyz`.
    pub fn report(&self) -> Report {
        let draining = self.draining.is_cancelled();
        self.with(|all| {
            let failing = |need| {
                all.values()
                    .any(|(n, outcome)| *n == need && outcome.is_err())
            };
            let mut checks: BTreeMap<_, _> = all
                .iter()
                .map(|(name, (_, outcome))| {
                    let text = outcome.as_ref().err().map_or("ok", String::as_str);
                    (*name, text.to_owned())
                })
                .collect();
            if draining {
                checks.insert("shutdown", "draining".into());
            }
            let status = if draining || failing(Need::Required) {
                "unavailable"
            } else if failing(Need::Optional) {
                "degraded"
            } else {
                "ok"
            };
            Report { status, checks }
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Checks) -> T) -> T {
        f(&mut self.checks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Report {
    /// Whether the service accepts traffic.
    pub fn is_ready(&self) -> bool {
        self.status != "unavailable"
    }
}

impl Check {
    /// The dependency is available.
    pub fn pass(&self) {
        self.set(Ok(()));
    }

    /// The dependency is not available; `reason` is shown in `/readyz`.
    pub fn fail(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, outcome: Result<(), String>) {
        self.readiness.with(|checks| {
            if let Some((_, current)) = checks.get_mut(self.name) {
                *current = outcome;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_not_ready_until_every_required_check_has_passed() {
        let readiness = Readiness::default();
        let redis = readiness.check("redis", Need::Required);
        let kafka = readiness.check("kafka", Need::Optional);
        assert_eq!(readiness.report().status, "unavailable");

        redis.pass();
        assert_eq!(readiness.report().status, "degraded");
        assert!(readiness.report().is_ready());

        kafka.pass();
        assert_eq!(readiness.report().status, "ok");

        redis.fail("no answer for 2 s");
        assert_eq!(readiness.report().checks["redis"], "no answer for 2 s");
        assert!(!readiness.report().is_ready());
    }

    #[test]
    fn draining_is_for_good() {
        let readiness = Readiness::default();
        let redis = readiness.check("redis", Need::Required);
        redis.pass();
        readiness.drain();
        redis.pass();
        assert!(!readiness.report().is_ready());
    }
}
