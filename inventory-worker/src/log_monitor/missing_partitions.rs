use std::collections::{BTreeMap, BTreeSet};

use fluxgate_ledger::{LedgerError, StoredPosition};
use fluxgate_log::HaltReason;

use super::LogMonitor;
use crate::database_monitor::log_failed_read;

/// Partitions that were read and that the topic does not have any more: it was made anew with fewer. No worker is
/// assigned them, so every worker looks for them.
#[derive(Default)]
pub struct MissingPartitions {
    /// Those that were missing the last time. Twice is certain: the first answer may come from a broker that lags behind.
    seen: BTreeSet<i32>,
}

impl MissingPartitions {
    /// Halts the partitions that `leaders` lacks twice in a row.
    pub async fn look(&mut self, monitor: &LogMonitor, leaders: &BTreeMap<i32, i32>) {
        match self.halt(monitor, leaders).await {
            Ok(halted) => monitor.lag.absent(halted),
            Err(error) => log_failed_read(&error, "compare the topic with the positions"),
        }
    }

    /// Returns those that are halted, with the reasons.
    async fn halt(
        &mut self,
        monitor: &LogMonitor,
        leaders: &BTreeMap<i32, i32>,
    ) -> Result<BTreeMap<i32, String>, LedgerError> {
        let LogMonitor {
            ledger,
            topic,
            metrics,
            ..
        } = monitor;
        let mut stored = ledger.positions(topic).await?;
        stored.retain(|partition, _| !leaders.contains_key(partition));
        let (mut halted, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for (partition, stored) in stored {
            let position = match stored {
                StoredPosition::Read(position) if position.next > 0 => position,
                StoredPosition::Read(_) => continue,
                StoredPosition::Halted(because) => {
                    halted.insert(partition, because);
                    continue;
                }
            };
            let next = position.next;
            let because = HaltReason::PartitionMissing { next }.to_string();
            let is_certain = self.seen.contains(&partition);
            tracing::warn!(kafka.partition = partition, %because, "a partition that was read is missing");
            if is_certain && ledger.halt(topic, partition, &position, &because).await? {
                metrics.count_log_check("halted");
                tracing::error!(
                    kafka.partition = partition,
                    reason = because,
                    "partition halted"
                );
                halted.insert(partition, because);
            }
            seen.insert(partition);
        }
        self.seen = seen;
        Ok(halted)
    }
}
