//! What the instances show of a queue in the course of a run.

use std::time::Duration;

use anyhow::{Result, ensure};
use fluxgate_domain::queue::{Thresholds, seed_sha256};
use jiff::Timestamp;
use serde_json::Value;

use crate::queue::{QueuedSale, number, shown_seed, thresholds};

/// How much the turn clock may be ahead of the time since the start: how exactly the two can be compared.
const CLOCK_ERROR: Duration = Duration::from_secs(1);
/// How much the estimate of those who joined early may differ from their number. Its standard error is 0.8 %.
const JOINED_ERROR_MAX: f64 = 0.04;

/// Checks that nothing of a queue goes back, on any instance, and that the seed has the hash that was shown before anybody joined.
#[derive(Debug)]
pub struct QueueWatch {
    seed: [u8; 32],
    seed_sha256: Value,
    opens_at: Timestamp,
    is_started: bool,
    /// By instance.
    latest: Vec<Shown>,
}

/// What an instance has shown last.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    joined: u64,
    served: Thresholds,
    clock_ms: u64,
}

impl QueueWatch {
    /// Of a queue that nobody has joined.
    pub async fn new(sale: &QueuedSale) -> Result<Self> {
        Ok(Self {
            seed: sale.seed(),
            seed_sha256: sale.state(0).await?["seedSha256"].clone(),
            opens_at: sale.opens_at,
            is_started: false,
            latest: vec![Shown::default(); sale.clients.len()],
        })
    }

    /// Whether an instance has shown that the sale has started.
    pub fn is_started(&self) -> bool {
        self.is_started
    }

    /// # Errors
    /// If this state of the instance breaks a promise.
    pub fn observe(&mut self, instance: usize, state: &Value) -> Result<()> {
        ensure!(
            state["seedSha256"] == self.seed_sha256,
            "another hash of the seed than {}: {state}",
            self.seed_sha256
        );
        if let Some(seed) = shown_seed(state)? {
            let sha256 = hex::encode(seed_sha256(&seed));
            ensure!(
                seed == self.seed && self.seed_sha256 == sha256,
                "another seed: {state}"
            );
        }
        let shown = Shown {
            joined: number(state, "joined")?,
            served: thresholds(state)?,
            clock_ms: number(state, "clock")?,
        };
        let latest = instance % self.latest.len();
        let before = std::mem::replace(&mut self.latest[latest], shown);
        let grows = shown.joined >= before.joined
            && shown.served.served_below >= before.served.served_below
            && shown.served.served_late >= before.served.served_late
            && shown.clock_ms >= before.clock_ms;
        ensure!(grows, "went back from {before:?}: {state}");
        let since_start = Timestamp::now().duration_since(self.opens_at);
        let limit = Duration::try_from(since_start).unwrap_or_default() + CLOCK_ERROR;
        ensure!(
            u128::from(shown.clock_ms) <= limit.as_millis(),
            "the turn clock is ahead of the time since the start, {since_start:?}: {state}"
        );
        self.is_started |= state["state"] == "open";
        Ok(())
    }

    /// # Errors
    /// If the estimate is not near the number of those who joined early.
    pub fn expect_joined(&self, early: usize) -> Result<()> {
        let joined = self.latest.iter().map(|it| it.joined).max();
        let joined = joined.unwrap_or_default();
        let error = joined as f64 / early as f64 - 1.0;
        ensure!(
            error.abs() <= JOINED_ERROR_MAX,
            "{early} people joined early, {joined} are shown"
        );
        Ok(())
    }
}
