//! A store that is stopped or frozen for a while.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::stack::{Stack, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stopped: connections break, new ones are refused.
    Stopped,
    /// Frozen: connections stay open and nothing ever answers.
    Paused,
}

/// An unavailable store, until [`Outage::end`]. Dropping it also starts the store again, so that the tests after a
/// failed test have all stores.
#[derive(Debug)]
pub struct Outage {
    stack: Stack,
    store: Store,
    /// The time from which the store has certainly been unavailable.
    pub since: Instant,
    over: bool,
}

impl Outage {
    /// Stops or freezes `store`; returns when that is done.
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
        .context("stopping a store")??;
        outage.since = Instant::now();
        Ok(outage)
    }

    /// Returns when the store has been unavailable for `length`.
    pub async fn lasts(&self, length: Duration) {
        sleep_until(self.since + length).await;
    }

    /// Starts the store again; returns when it answers.
    pub async fn end(mut self) -> Result<()> {
        let (stack, store) = (self.stack.clone(), self.store);
        spawn_blocking(move || stack.bring_back(store))
            .await
            .context("starting a store again")??;
        self.over = true;
        Ok(())
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if !self.over
            && let Err(error) = self.stack.bring_back(self.store)
        {
            eprintln!("{} is still unavailable: {error:#}", self.store);
        }
    }
}
