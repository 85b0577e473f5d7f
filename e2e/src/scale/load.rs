//! Orders at a constant rate for as long as something is done to those who take and write them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::deployment::Deployment;
use crate::order::Sale;
use crate::rehearsal::heard::Heard;
use crate::rehearsal::traffic::{Onlooker, Running, Traffic};
use crate::until::until;

/// No load goes on for longer.
const LONGEST: Duration = Duration::from_secs(900);
const CONNECTIONS: u32 = 64;
const TRIES: u8 = 20;
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest that a load may be behind.
const BEHIND_LIMIT: Duration = Duration::from_secs(60);

/// Orders that keep coming until [`Load::end`].
#[derive(Debug)]
pub struct Load {
    running: Running,
    onlooker: Onlooker,
    per_second: u32,
}

impl Load {
    /// Orders of these sales in turn.
    ///
    /// # Errors
    /// When an HTTP client cannot be built.
    pub fn start(deployment: &Deployment, sales: &[Sale], per_second: u32) -> Result<Self> {
        let traffic = Traffic {
            per_second,
            count: u64::from(per_second) * LONGEST.as_secs(),
            connections: CONNECTIONS,
            tries: TRIES,
            patience: PATIENCE,
        };
        let running = traffic.start(deployment, sales)?;
        Ok(Self {
            onlooker: running.onlooker(),
            running,
            per_second,
        })
    }

    /// When the first order was due.
    pub fn start_of(&self) -> Instant {
        self.running.schedule().start
    }

    /// Orders that were sent at least once.
    fn sent(&self) -> u64 {
        self.onlooker.progress().sent
    }

    /// Waits until as many more orders were sent as are due in this time.
    ///
    /// # Errors
    /// When that takes unreasonably long.
    pub async fn goes_on_for(&self, time: Duration) -> Result<()> {
        let more = (f64::from(self.per_second) * time.as_secs_f64()) as u64;
        let wanted = self.sent() + more;
        until("orders go on", time + BEHIND_LIMIT, async || {
            let sent = self.sent();
            ensure!(sent >= wanted, "{sent} of {wanted} sent");
            Ok(())
        })
        .await
    }

    /// No more orders; returns when those under way have ended.
    ///
    /// # Errors
    /// When a buyer panicked.
    pub async fn end(self) -> Result<Heard> {
        self.running.stop();
        self.running.finish().await
    }
}
