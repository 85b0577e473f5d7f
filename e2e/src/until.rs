//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, timeout};

const PAUSE_BETWEEN_PROBES: Duration = Duration::from_millis(20);

/// Asks `probe` again and again until it answers `Ok`.
///
/// # Errors
/// After `limit`, with what `probe` objected to last.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        // A probe that hangs must not outlast the deadline either.
        let outcome = timeout(limit, probe()).await.context("the probe hangs");
        match outcome.flatten() {
            Ok(value) => return Ok(value),
            Err(objection) if Instant::now() >= deadline => {
                return Err(objection.context(format!("{what}: not within {limit:?}")));
            }
            Err(_) => sleep(PAUSE_BETWEEN_PROBES).await,
        }
    }
}
