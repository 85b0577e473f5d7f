//! Waiting for a condition, and for a signal to stop.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout_at};

const PAUSE_BETWEEN_PROBES: Duration = Duration::from_millis(20);
/// What a probe gets, however little of the limit is left: otherwise the last probe is blamed for
/// what took so long before it.
const LEAST_FOR_A_PROBE: Duration = Duration::from_secs(1);

/// Calls `probe` until it answers `Ok`, at least once.
///
/// # Errors
/// After `limit`, and at most a second later, with the last error of `probe`.
pub async fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        // A probe that hangs must not outlast the deadline either.
        let probe_deadline = deadline.max(Instant::now() + LEAST_FOR_A_PROBE);
        let outcome = timeout_at(probe_deadline, probe()).await;
        match outcome.context("the probe hangs").flatten() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what}: not within {limit:?}")));
            }
            Err(_) => sleep(PAUSE_BETWEEN_PROBES).await,
        }
    }
}

/// Waits for SIGTERM or SIGINT; returns its name.
pub(crate) async fn stop_signal() -> Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[tokio::test]
    async fn a_condition_is_probed_until_it_holds_or_the_limit_is_over() {
        for (limit_ms, wanted, expected) in [
            (10_000, 3, "3"),
            // Even where no time is left, the probe has its second.
            (0, 1, "1"),
            (50, 1_000_000, "n: not within 50ms: still not"),
        ] {
            let mut probes = 0;
            let outcome = wait_until("n", Duration::from_millis(limit_ms), async || {
                probes += 1;
                sleep(Duration::from_millis(1)).await;
                ensure!(probes == wanted, "still not");
                Ok(probes)
            });
            let outcome = outcome.await;
            let text = outcome.map_or_else(|error| format!("{error:#}"), |it| it.to_string());
            assert_eq!(text, expected);
        }
    }

    #[tokio::test]
    async fn a_probe_that_hangs_does_not_outlast_the_limit_by_more_than_a_second() {
        let (begin, mut probes) = (Instant::now(), 0);
        let outcome = wait_until("hanging", Duration::from_secs(3), async || {
            probes += 1;
            if probes == 1 {
                sleep(Duration::from_millis(1_500)).await;
                ensure!(false, "not yet");
            }
            std::future::pending::<Result<()>>().await
        });
        assert!(outcome.await.is_err());
        assert!(begin.elapsed() < Duration::from_secs(4));
    }
}
