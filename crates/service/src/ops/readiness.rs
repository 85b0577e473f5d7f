use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

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
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    draining: bool,
    checks: BTreeMap<&'static str, (Need, Result<(), String>)>,
}

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
        self.with(|state| {
            state.checks.insert(name, (need, Err("starting".into())));
        });
        Check {
            readiness: self.clone(),
            name,
        }
    }

    /// Refuses traffic from now on, for good.
    pub fn drain(&self) {
        self.with(|state| state.draining = true);
    }

    /// The current answer of `/readyz`.
    pub fn report(&self) -> Report {
        self.with(|state| {
            let failing = |need| {
                state
                    .checks
                    .values()
                    .any(|(n, outcome)| *n == need && outcome.is_err())
            };
            let mut checks: BTreeMap<_, _> = state
                .checks
                .iter()
                .map(|(name, (_, outcome))| {
                    let text = outcome.as_ref().err().map_or("ok", String::as_str);
                    (*name, text.to_owned())
                })
                .collect();
            if state.draining {
                checks.insert("shutdown", "draining".into());
            }
            let status = if state.draining || failing(Need::Required) {
                "unavailable"
            } else if failing(Need::Optional) {
                "degraded"
            } else {
                "ok"
            };
            Report { status, checks }
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.readiness.with(|state| {
            if let Some((_, current)) = state.checks.get_mut(self.name) {
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
