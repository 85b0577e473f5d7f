//! Ends halts: lets the workers read logs that are not the ones they have read. Nobody knows where the two part, so they
//! are read from their beginning; what is written already is not written twice.

use fluxgate_ledger::HaltedPartition;

use crate::{Stores, Undecided};

/// A log that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedLog {
    /// The halt that has ended.
    pub halt: HaltedPartition,
    /// Where the log begins.
    pub begin: i64,
}

/// Why no log was accepted, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// A partition is not halted.
    #[error("partition {0} is not halted")]
    NotHalted(i32),
    /// A store does not answer.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

/// Accepts the logs of these halted partitions of a consumer, or of all of them. `accepted` is called for each.
///
/// # Errors
/// When a partition is not halted, or a store does not answer. Logs that were accepted before that stay accepted.
pub async fn accept_logs(
    stores: &Stores,
    consumer: &str,
    partitions: &[i32],
    mut accepted: impl FnMut(&AcceptedLog),
) -> Result<(), AcceptError> {
    let Stores { ledger, log, .. } = stores;
    let halted = ledger.halted(consumer).await.map_err(Undecided::from)?;
    let is_halted = |number: &&i32| halted.iter().any(|halt| halt.partition == **number);
    if let Some(other) = partitions.iter().find(|number| !is_halted(number)) {
        return Err(AcceptError::NotHalted(*other));
    }
    let asked = |number: i32| partitions.is_empty() || partitions.contains(&number);
    for halt in halted.into_iter().filter(|halt| asked(halt.partition)) {
        let begin = log.begin(halt.partition).await.map_err(Undecided::from)?;
        let cleared = ledger.accept_log(consumer, &halt, begin).await;
        // If it was not halted any more, somebody else has just accepted it.
        if cleared.map_err(Undecided::from)? {
            accepted(&AcceptedLog { halt, begin });
        }
    }
    Ok(())
}
