use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fluxgate_ledger::LedgerError;

/// Batches that PostgreSQL does not accept, one per writer at most. Clones share them.
#[derive(Clone, Default)]
pub struct FailingWrites(Arc<Mutex<Failures>>);

#[derive(Default)]
struct Failures {
    next: u64,
    since: HashMap<u64, (Instant, String)>,
}

/// One batch, until it is dropped.
pub struct FailingWrite {
    all: FailingWrites,
    number: Option<u64>,
}

impl FailingWrites {
    /// A batch whose writing begins.
    pub fn begin(&self) -> FailingWrite {
        FailingWrite {
            all: self.clone(),
            number: None,
        }
    }

    /// The error of a batch that has failed for longer than `limit`.
    pub fn longer_than(&self, limit: Duration) -> Option<String> {
        let failures = self.lock();
        let mut failing = failures.since.values();
        let (_, error) = failing.find(|(since, _)| since.elapsed() > limit)?;
        Some(error.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FailingWrite {
    /// The batch was not written and will be tried again. The first failure counts.
    pub fn failed(&mut self, error: &LedgerError) {
        let mut failures = self.all.lock();
        let number = *self.number.get_or_insert_with(|| {
            failures.next += 1;
            failures.next
        });
        let failure = failures.since.entry(number);
        let failure = failure.or_insert_with(|| (Instant::now(), String::new()));
        failure.1 = error.to_string();
    }
}

impl Drop for FailingWrite {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.all.lock().since.remove(&number);
        }
    }
}
