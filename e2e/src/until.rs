//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, timeout_at};

const PAUSE_BETWEEN_PROBES: Duration = Duration::from_millis(20);
/// What a probe gets, however little of the limit is left: else the probe is blamed for what took so long before.
const LEAST_FOR_A_PROBE: Duration = Duration::from_secs(1);

/// Asks `probe` again and again until it answers `Ok`, at least once.
///
/// # Errors
/// After `limit`, and at most a second later, with what `probe` objected to last.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        // A probe that hangs must not outlast the deadline either.
        let patience = deadline.max(Instant::now() + LEAST_FOR_A_PROBE);
        let outcome = timeout_at(patience, probe()).await;
        let outcome = outcome.context("the probe hangs");
        match outcome.flatten() {
            Ok(value) => return Ok(value),
            Err(objection) if Instant::now() >= deadline => {
                return Err(objection.context(format!("{what}: not within {limit:?}")));
            }
            Err(_) => sleep(PAUSE_BETWEEN_PROBES).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[tokio::test]
    async fn a_condition_is_asked_for_until_it_holds() {
        let mut asked = 0;
        let outcome = until("three", Duration::from_secs(10), async || {
            asked += 1;
            ensure!(asked == 3, "only {asked}");
            Ok(asked)
        });
        assert_eq!(outcome.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_condition_that_never_holds_ends_with_its_last_objection() {
        let outcome = until("never", Duration::from_millis(50), async || {
            ensure!(false, "still not");
            Ok(())
        });
        let error = format!("{:#}", outcome.await.unwrap_err());
        assert_eq!(error, "never: not within 50ms: still not");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_does_not_outlast_the_limit() {
        let begin = Instant::now();
        let mut asked = 0;
        let outcome = until("hanging", Duration::from_secs(3), async || {
            asked += 1;
            if asked == 1 {
                sleep(Duration::from_millis(1_500)).await;
                ensure!(false, "not yet");
            }
            std::future::pending::<Result<()>>().await
        });
        assert!(outcome.await.is_err());
        assert!(begin.elapsed() < Duration::from_secs(4));
    }

    #[tokio::test]
    async fn a_probe_has_its_time_where_none_is_left() {
        let outcome = until("late", Duration::ZERO, async || {
            sleep(Duration::from_millis(10)).await;
            Ok(())
        });
        assert!(outcome.await.is_ok());
    }
}
