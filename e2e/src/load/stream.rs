//! Sends requests when they are due, and again when they fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::history::Sent;
use super::recorder::micros;
use super::{Attempt, Pace, Player};
use crate::answer::Response;
use crate::pacer::{Pacer, Schedule};

/// Before a failed request is sent again, the first time; then twice as long each time, up to the longest. Up to twice
/// that: it is random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a connection of a crowd waits after a request without an answer. Without it, the whole
/// crowd would be sent to an instance in the second in which it is down.
const PAUSE_WITHOUT_ANSWER: Duration = Duration::from_millis(100);

/// Requests on their way to connections.
pub(super) struct Stream<I> {
    schedule: Option<Schedule>,
    attempts: I,
    sender: Arc<Sender>,
    /// Those that were begun.
    orders: u64,
    tasks: JoinSet<()>,
}

impl<I: Iterator<Item = Attempt>> Stream<I> {
    pub fn new(player: &Player, caller: &Caller, attempts: I, start: Instant) -> Self {
        Self {
            schedule: match player.pace {
                Pace::AsAnswered => None,
                Pace::PerSecond(per_second) => Some(Schedule {
                    start,
                    per_second,
                    count: attempts.size_hint().1.map_or(u64::MAX, |it| it as u64),
                }),
            },
            attempts,
            sender: Arc::new(Sender {
                player: player.clone(),
                caller: caller.clone(),
                slots: Arc::new(Semaphore::new(player.connections as usize)),
            }),
            orders: 0,
            tasks: JoinSet::new(),
        }
    }

    /// Sends them all, or those that are due before `stop`.
    pub async fn run(mut self, start: Instant, stop: CancellationToken) -> Result<Sent> {
        let grace = self.sender.player.grace;
        let bounded = self.schedule.filter(|it| it.count < u64::MAX);
        let deadline = bounded.map(|it| it.due(it.count) + grace);
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let complete = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            () = late => false,
            sent = self.send_all() => sent.map(|()| true)?,
        };
        let (sending, end) = (start.elapsed(), Instant::now() + grace);
        let end = deadline.map_or(end, |it| it.min(end));
        if let Ok(ended) = timeout_at(end.into(), self.all_ended()).await {
            ended?;
        } else {
            // Nothing is retried any more.
            self.sender.slots.close();
            self.all_ended().await?;
        }
        Ok(Sent {
            orders: self.orders,
            complete,
            sending,
        })
    }

    /// Gives each request that is due the next free connection.
    async fn send_all(&mut self) -> Result<()> {
        let pacer = self.schedule.map(|it| Pacer::start(it, 1));
        loop {
            if let Some(pacer) = &pacer {
                pacer.permits.acquire().await?.forget();
            }
            let slot = self.sender.slots.clone().acquire_owned().await?;
            let Some(attempt) = self.attempts.next() else {
                return Ok(());
            };
            let due = self.schedule.map(|it| it.due(self.orders));
            self.orders += 1;
            self.tasks
                .spawn(self.sender.clone().send(attempt, due, slot));
            while let Some(ended) = self.tasks.try_join_next() {
                ended.context("a sender panicked")?;
            }
        }
    }

    async fn all_ended(&mut self) -> Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a sender panicked")?;
        }
        Ok(())
    }
}

struct Sender {
    player: Player,
    caller: Caller,
    /// Free connections; closed when nothing is retried any more.
    slots: Arc<Semaphore>,
}

impl Sender {
    /// Sends a request until it has its final answer or is given up.
    async fn send(
        self: Arc<Self>,
        attempt: Attempt,
        due: Option<Instant>,
        mut slot: OwnedSemaphorePermit,
    ) {
        let recorder = &self.caller.recorder;
        let due_us = due.map_or_else(
            || recorder.now_us(),
            |due| micros(due.saturating_duration_since(recorder.start)),
        );
        recorder.progress.send_modify(|it| it.sent += 1);
        // Buyers who failed at the same time do not retry at the same time: each has a seed of his own.
        let pauses = ExponentialBuilder::new().with_min_delay(FIRST_PAUSE);
        let pauses = pauses.with_max_delay(LONGEST_PAUSE).without_max_times();
        let pauses = pauses.with_jitter().with_jitter_seed(fastrand::u64(..));
        let mut pauses = pauses.build();
        for number in 1..=self.player.tries {
            let response = self.caller.send(attempt, number, due_us).await;
            if due.is_none() && matches!(response, Response::NoAnswer(_)) {
                sleep(PAUSE_WITHOUT_ANSWER).await;
            }
            if response.failure().is_none() || number == self.player.tries {
                return;
            }
            drop(slot);
            sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
            match self.slots.clone().acquire_owned().await {
                Ok(next) => slot = next,
                Err(_) => return,
            }
        }
    }
}
