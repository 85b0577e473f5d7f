//! Watches the positions in PostgreSQL move.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::stores::Stores;
use crate::truth::Positions;

/// How often they are looked at.
const EVERY: Duration = Duration::from_millis(20);

/// When each partition's position was seen to have moved: microseconds since `start`.
pub type Moves = BTreeMap<i32, Vec<u64>>;

/// Watches until it is told to stop, or dropped.
#[derive(Debug)]
pub struct Watch {
    stop: oneshot::Sender<()>,
    watching: JoinHandle<Result<Moves>>,
}

impl Watch {
    /// Begins to look.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn begin(stores: &Stores, start: Instant) -> Result<Self> {
        let positions = stores.database.watch_positions(stores.log.topic()).await?;
        let (stop, stopped) = oneshot::channel();
        let watching = tokio::spawn(watch(positions, start, stopped));
        Ok(Self { stop, watching })
    }

    /// What was seen.
    ///
    /// # Errors
    /// When PostgreSQL did not answer any more.
    pub async fn end(self) -> Result<Moves> {
        // Nobody listens when the watching has failed already, which is what comes next.
        let _ = self.stop.send(());
        self.watching.await.context("watching the positions")?
    }
}

async fn watch(
    positions: Positions,
    start: Instant,
    mut stopped: oneshot::Receiver<()>,
) -> Result<Moves> {
    let (mut moves, mut last) = (Moves::new(), BTreeMap::new());
    let mut clock = interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            _ = &mut stopped => return Ok(moves),
        }
        for (partition, position) in positions.now().await? {
            if last.insert(partition, position) != Some(position) {
                let now = u64::try_from(start.elapsed().as_micros())?;
                moves.entry(partition).or_default().push(now);
            }
        }
    }
}
