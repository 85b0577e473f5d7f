//! Counts sequence numbers that are missing in PostgreSQL.

use std::time::Duration;

use fluxgate_ledger::Ledger;
use fluxgate_service::metrics::QueriedGauge;
use tokio_util::sync::CancellationToken;

use crate::database_monitor::log_failed_read;
use crate::lag_tracker::LagTracker;
use crate::metrics::Metrics;

const INTERVAL: Duration = Duration::from_secs(5);

/// Sets the metric of sequence gaps. Every order has a number, so a lost order leaves a gap that persists; a gap that
/// closes was an order in flight.
#[allow(missing_docs)]
pub struct SequenceGapMonitor {
    pub ledger: Ledger,
    pub topic: String,
    pub lag: LagTracker,
    pub metrics: Metrics,
}

impl SequenceGapMonitor {
    /// Counts every five seconds until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let partitions: Vec<i32> = self.lag.positions().into_keys().collect();
            let gaps = self.ledger.sequence_gaps(&self.topic, &partitions).await;
            if let Err(error) = &gaps {
                log_failed_read(error, "count sequence gaps");
            }
            self.metrics.sequence_gaps.show(gaps.ok());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}
