//! Measures how long orders wait while their partition moves to another worker, from the positions in PostgreSQL.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::load::history::micros;
use crate::stores::{Positions, Stores};

const EVERY: Duration = Duration::from_millis(20);

/// When each partition's position was seen to have moved: microseconds since `start`.
pub type Moves = BTreeMap<i32, Vec<u64>>;

/// Reads positions until it is told to stop, or dropped.
#[derive(Debug)]
pub struct Watch {
    stop: oneshot::Sender<()>,
    watching: JoinHandle<Result<Moves>>,
}

impl Watch {
    pub async fn begin(stores: &Stores, start: Instant) -> Result<Self> {
        let positions = stores.postgres.watch_positions(stores.topic.name()).await?;
        let (stop, stopped) = oneshot::channel();
        let watching = tokio::spawn(watch(positions, start, stopped));
        Ok(Self { stop, watching })
    }

    pub async fn end(self) -> Result<Moves> {
        // Fails when the watching has failed already, which is what comes next.
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
                moves
                    .entry(partition)
                    .or_default()
                    .push(micros(start.elapsed()));
            }
        }
    }
}

/// The times in which orders of a partition waited and none was written: from the first order that
/// was answered 202 after the position was seen to move, to when it was next seen to move. All in
/// microseconds since the same moment; `moves` and `orders` in their order.
///
/// A move is seen at the next read, so an end may be that much too late. Which orders a move wrote is
/// not known: those that were answered before it was seen count as written, so a pause may begin with
/// the next one, too late by the time between two orders; and an answer that was on its way while its
/// order was written counts as one that waits.
pub fn pauses(moves: &[u64], orders: &[u64]) -> Vec<Range<u64>> {
    let mut waiting = orders.iter().copied().peekable();
    let (mut last, mut pauses) = (0, Vec::new());
    for &moved in moves {
        while waiting.next_if(|&order| order <= last).is_some() {}
        if let Some(&since) = waiting.peek()
            && since < moved
        {
            pauses.push(since..moved);
        }
        last = moved;
    }
    pauses
}

/// The longest of those that touch `window`.
pub fn longest_around(pauses: &[Range<u64>], window: &Range<u64>) -> u64 {
    longest(pauses, |it| it.start < window.end && it.end > window.start)
}

/// The longest of those that begin and end within `window`.
pub fn longest_inside(pauses: &[Range<u64>], window: &Range<u64>) -> u64 {
    longest(pauses, |it| {
        it.start >= window.start && it.end <= window.end
    })
}

fn longest(pauses: &[Range<u64>], counts: impl Fn(&&Range<u64>) -> bool) -> u64 {
    let lengths = pauses.iter().filter(counts).map(|it| it.end - it.start);
    lengths.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_begins_with_the_first_order_that_waits() {
        assert_eq!(
            pauses(&[10, 20, 100], &[5, 15, 40, 60]),
            [5..10, 15..20, 40..100]
        );
        assert_eq!(pauses(&[10, 20, 100], &[15, 99]), [15..20, 99..100]);
    }

    #[test]
    fn there_is_no_pause_without_orders_and_none_after_the_last_move() {
        assert_eq!(pauses(&[10, 20, 100_000], &[5, 15]), [5..10, 15..20]);
        assert_eq!(pauses(&[10, 100_000], &[]), []);
        assert_eq!(pauses(&[10, 15], &[5, 12, 20]), [5..10, 12..15]);
    }

    #[test]
    fn a_pause_touches_a_window_or_lies_in_it() {
        let all = [20..100, 105..110, 120..500];
        assert_eq!(longest_around(&all, &(0..115)), 80);
        assert_eq!(longest_around(&all, &(105..115)), 5);
        assert_eq!(longest_around(&all, &(300..310)), 380);
        assert_eq!(longest_inside(&all, &(50..130)), 5);
        assert_eq!(longest_inside(&all, &(300..310)), 0);
    }
}
