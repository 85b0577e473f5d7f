//! Looking for numbers that never arrived.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::lag_tracker::LagTracker;
use crate::metrics::Metrics;
use crate::store::Store;

const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps the metric of sequence gaps. Every order has a number, so one that was lost on the way leaves a
/// hole; holes that close again are orders on their way.
#[allow(missing_docs)]
pub struct GapWatch {
    pub store: Store,
    pub topic: String,
    pub lag: LagTracker,
    pub metrics: Metrics,
}

impl GapWatch {
    /// Counts every five seconds until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let partitions: Vec<i32> = self.lag.positions().into_keys().collect();
            match self.store.sequence_gaps(&self.topic, &partitions).await {
                Ok(gaps) => self.metrics.sequence_gaps.set(gaps),
                // Whoever watches the database has said so.
                Err(error) => tracing::debug!(%error, "gaps were not counted"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}
