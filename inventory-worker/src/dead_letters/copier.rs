use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_ledger::{LeasedDeadLetter, Ledger};
use fluxgate_log::LogError;
use fluxgate_service::crash_points::crash_point;
use fluxgate_service::metrics::QueriedGauge;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::DeadLetterTopic;
use super::topic::COPY_TIMEOUT;
use crate::database_monitor::log_failed_read;
use crate::metrics::Metrics;

/// Dead letters that are copied at once. Each may be as large as a record can be.
const PAGE: usize = 16;
/// How long they are this worker's to copy. Also the delay before a copy that failed is tried again.
const LEASE: Duration = Duration::from_secs(30);
/// How often this worker looks for dead letters of others that have died.
const INTERVAL: Duration = Duration::from_secs(5);

/// Copies dead letters to their topic once they are committed. The table says which have no copy yet, so a copy is
/// made once however often a batch is tried, and any worker finishes what another one began.
#[allow(missing_docs)]
pub struct DeadLetterCopier {
    pub ledger: Ledger,
    /// The topic that is read.
    pub source: String,
    pub topic: DeadLetterTopic,
    /// Told of every commit with dead letters.
    pub written: Arc<Notify>,
    pub metrics: Metrics,
}

impl DeadLetterCopier {
    /// Copies until `shutdown`; then what is under way is finished.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            self.topic.keep_ready();
            while self.copy_page().await && !shutdown.is_cancelled() {}
            self.count_waiting().await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.written.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Copies one page; true if it was copied, so that there may be another one.
    async fn copy_page(&self) -> bool {
        crash_point("before_copies");
        let began = Instant::now();
        let leased = self.ledger.lease_dead_letters(&self.source, PAGE, LEASE);
        let letters = match leased.await {
            Ok(letters) => letters,
            Err(error) => {
                log_failed_read(&error, "look for dead letters to copy");
                return false;
            }
        };
        // Another worker takes them once the lease has ended; both would copy them.
        if letters.is_empty() || began.elapsed() + COPY_TIMEOUT > LEASE {
            return false;
        }
        let copies = letters
            .iter()
            .map(|letter| self.topic.append(&self.source, letter));
        let outcomes = join_all(copies).await;
        crash_point("after_copies");
        let page = letters.len();
        let ended: Vec<LeasedDeadLetter> = letters
            .into_iter()
            .zip(outcomes)
            .filter_map(|(letter, outcome)| self.has_ended(&letter, outcome).then_some(letter))
            .collect();
        if let Err(error) = self.ledger.end_copies(&self.source, &ended).await {
            tracing::warn!(%error, "dead letters may be copied twice: PostgreSQL was not told that they are copied");
            return false;
        }
        ended.len() == page
    }

    /// Whether a dead letter needs no further attempt.
    fn has_ended(&self, letter: &LeasedDeadLetter, outcome: Result<(), LogError>) -> bool {
        let Err(error) = outcome else {
            self.metrics.dead_letter_copies_total.inc();
            return true;
        };
        self.metrics.dead_letter_copy_failures_total.inc();
        let (partition, offset) = (letter.partition, letter.offset);
        if error.is_refusal() {
            tracing::error!(%error, kafka.partition = partition, kafka.offset = offset,
                "dead letter refused by its topic; only the table dead_letters has it");
            return true;
        }
        tracing::warn!(%error, kafka.partition = partition, kafka.offset = offset,
            "dead letter not copied to its topic; trying again");
        false
    }

    async fn count_waiting(&self) {
        let waiting = self.ledger.uncopied_dead_letters(&self.source).await;
        if let Err(error) = &waiting {
            log_failed_read(error, "count dead letters to copy");
        }
        self.metrics.dead_letter_copies_waiting.show(waiting.ok());
    }
}
