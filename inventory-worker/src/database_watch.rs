//! Looking at PostgreSQL while nothing is written.

use std::time::Duration;

use fluxgate_service::ops::Check;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::lag_tracker::LagTracker;
use crate::reader::Command;
use crate::store::{Store, WriteError};

const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps `/readyz` true about PostgreSQL, and notices when it comes back older than it was.
#[allow(missing_docs)]
pub struct DatabaseWatch {
    pub store: Store,
    pub topic: String,
    pub check: Check,
    pub lag: LagTracker,
    pub commands: mpsc::Sender<Command>,
}

impl DatabaseWatch {
    /// Looks every second until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            match self.look().await {
                Ok(()) => self.check.pass(),
                Err(error) => self.check.fail(error.to_string()),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PROBE_INTERVAL) => {}
            }
        }
    }

    /// A write would find out by itself; but on a partition where nothing more is to be written,
    /// nobody else would.
    async fn look(&self) -> Result<(), WriteError> {
        self.store.probe().await?;
        // Ours first: positions only grow, unless the database was restored.
        let ours = self.lag.positions();
        let held = self.store.positions(&self.topic).await?;
        for (partition, written) in ours {
            let position = held.get(&partition).copied().unwrap_or_default();
            if position < written {
                tracing::warn!(
                    kafka.partition = partition,
                    position,
                    written,
                    "PostgreSQL came back older than it was; reading again from there"
                );
                // A reader that has ended needs no commands.
                let _ = self.commands.send(Command::Restored { partition }).await;
            }
        }
        Ok(())
    }
}
