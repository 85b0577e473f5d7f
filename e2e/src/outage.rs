//! Taking a store away for a while.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::stack::{Stack, Store};

/// How a store goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stopped: connections break, new ones are refused.
    Stopped,
    /// Frozen: connections stay open and nothing ever answers.
    Paused,
}

/// A store that is away, until [`Outage::end`]. Dropping it brings the store back too, so that a
/// failed test does not take the stores from those after it.
#[derive(Debug)]
pub struct Outage {
    stack: Stack,
    store: Store,
    /// From when on the store has surely been away.
    pub since: Instant,
    over: bool,
}

impl Outage {
    /// Takes `store` away; returns when it is gone.
    ///
    /// # Errors
    /// When the store can be neither stopped nor signalled.
    pub async fn begin(stack: &Stack, store: Store, kind: Kind) -> Result<Self> {
        let mut outage = Self {
            stack: stack.clone(),
            store,
            since: Instant::now(),
            over: false,
        };
        let stack = stack.clone();
        spawn_blocking(move || match kind {
            Kind::Stopped => stack.shut_down(store),
            Kind::Paused => stack.freeze(store),
        })
        .await
        .context("taking a store away")??;
        outage.since = Instant::now();
        Ok(outage)
    }

    /// Returns when the store has been away for `length`.
    pub async fn lasts(&self, length: Duration) {
        sleep_until(self.since + length).await;
    }

    /// Brings the store back; returns when it answers.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn end(mut self) -> Result<()> {
        let (stack, store) = (self.stack.clone(), self.store);
        spawn_blocking(move || stack.bring_back(store))
            .await
            .context("bringing a store back")??;
        self.over = true;
        Ok(())
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if !self.over
            && let Err(error) = self.stack.bring_back(self.store)
        {
            eprintln!("{} stays away: {error:#}", self.store);
        }
    }
}
