//! Orders when they are due, each sent again until it is answered.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::attempt::{Ending, Next, Words};
use super::desk::{Desk, Turn};
use super::heard::{Failed, Heard, Notes, Told, micros};
use crate::client::Client;
use crate::deployment::Deployment;
use crate::order::Sale;
use crate::pacer::{Pacer, Schedule};
use crate::thousands::thousands;

/// Until the first order is due.
const LEAD: Duration = Duration::from_millis(200);
/// Before a failed order is sent again, the first time; then twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest that buyers may go on after the last order was due.
const GRACE: Duration = Duration::from_secs(90);

/// How orders come.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    /// New orders a second, whatever becomes of those before.
    pub per_second: u32,
    /// New orders altogether.
    pub count: u64,
    /// Requests under way at once, at most. An order that finds none of them free waits, and that counts.
    pub connections: u32,
    /// Times an order is sent before its buyer gives up.
    pub tries: u8,
    /// How long a buyer waits for an answer.
    pub patience: Duration,
}

/// Orders that are coming. Dropping it sends the buyers away.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    connections: JoinSet<Notes>,
    _pacer: Pacer,
}

/// Looks on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Onlooker(Arc<Shared>);

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Orders that were sent.
    pub sent: u64,
    /// Orders that were answered 202.
    pub ordered: u64,
    /// Tries that failed.
    pub failed: u64,
}

#[derive(Debug)]
struct Shared {
    traffic: Traffic,
    schedule: Schedule,
    sales: Vec<Sale>,
    desk: Desk,
    words: Words,
    ordered: AtomicU64,
    failed: AtomicU64,
    /// Microseconds from the beginning until the newest order was sent for the first time, or there were no new ones.
    sending_us: AtomicU64,
}

impl Traffic {
    /// Orders from these sales in turn, at a deployment.
    ///
    /// # Errors
    /// When there are no sales, or an HTTP client cannot be built.
    pub fn start(&self, deployment: &Deployment, sales: &[Sale]) -> Result<Running> {
        ensure!(!sales.is_empty(), "there is nothing to order");
        let schedule = Schedule {
            start: Instant::now() + LEAD,
            per_second: self.per_second,
            count: self.count,
        };
        let pacer = Pacer::start(schedule, 0);
        let shared = Arc::new(Shared {
            traffic: *self,
            schedule,
            sales: sales.to_vec(),
            desk: Desk::new(pacer.permits(), u32::try_from(self.count)?),
            words: Words::default(),
            ordered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            sending_us: AtomicU64::new(0),
        });
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let client = |url: &String| Client::with(url, &deployment.admin_token, self.patience);
            let clients: Result<Vec<_>> = deployment.urls.iter().map(client).collect();
            connections.spawn(serve(shared.clone(), clients?));
        }
        Ok(Running {
            shared,
            connections,
            _pacer: pacer,
        })
    }
}

impl Onlooker {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            sent: self.0.desk.begun().into(),
            ordered: self.0.ordered.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }
}

impl Running {
    /// Somebody who looks on while others wait for the end.
    pub fn onlooker(&self) -> Onlooker {
        Onlooker(self.shared.clone())
    }

    /// No new orders; those under way are still ended. The time of sending ends here, so that orders that were due and
    /// could not be sent show in the rate.
    pub fn stop(&self) {
        self.shared.sends_now();
        self.shared.desk.stop();
    }

    /// When orders are due.
    pub fn schedule(&self) -> Schedule {
        self.shared.schedule
    }

    /// Waits until every order has ended, or its buyer has waited long enough.
    ///
    /// # Errors
    /// When a buyer panicked.
    pub async fn finish(mut self) -> Result<Heard> {
        let (shared, mut schedule) = (self.shared.clone(), self.shared.schedule);
        // Fewer than were planned when it was stopped.
        schedule.count = shared.desk.count().into();
        let end = schedule.due(schedule.count) + GRACE;
        let give_up = tokio::spawn(async move {
            tokio::time::sleep_until(end.into()).await;
            shared.desk.close();
        });
        let mut notes = Vec::new();
        while let Some(done) = self.connections.join_next().await {
            notes.push(done.context("a buyer panicked")?);
        }
        give_up.abort();
        let _ = give_up.await;
        drop(self._pacer);
        let sent = self.shared.desk.begun();
        let sending = Duration::from_micros(self.shared.sending_us.load(Ordering::Relaxed));
        // Buyers who still pause before another try hold it too; they find the desk closed.
        let words = self.shared.words.take();
        Ok(Heard::new(schedule, sent, sending, notes, words))
    }
}

async fn serve(shared: Arc<Shared>, clients: Vec<Client>) -> Notes {
    let mut notes = Notes::default();
    while let Some(turn) = shared.desk.next().await {
        shared.send(turn, &clients, &mut notes).await;
    }
    notes
}

impl Shared {
    async fn send(self: &Arc<Self>, mut turn: Turn, clients: &[Client], notes: &mut Notes) {
        let number = turn.order as usize;
        if turn.tries == 0 {
            let due = self.schedule.due(turn.order.into());
            turn.late_us = u32::try_from(micros(due.elapsed())).unwrap_or(u32::MAX);
            self.sends_now();
        }
        let order = self.sales[number % self.sales.len()].order_of(number);
        let client = &clients[(number + usize::from(turn.tries)) % clients.len()];
        let answer = client.ask_for(&order).await;
        turn.tries += 1;
        match Next::after(answer, &self.words) {
            Next::End(ending) => {
                notes.told.push(Told {
                    order: turn.order,
                    late_us: turn.late_us,
                    done_us: self.now_us(),
                    tries: turn.tries,
                    ending,
                });
                if matches!(ending, Ending::Ordered { .. }) {
                    self.ordered.fetch_add(1, Ordering::Relaxed);
                }
                self.desk.ended();
            }
            Next::Again(failure) => {
                notes.failed.push(Failed {
                    order: turn.order,
                    first: turn.tries == 1,
                    done_us: self.now_us(),
                    failure,
                });
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.again(turn);
            }
        }
    }

    fn again(self: &Arc<Self>, turn: Turn) {
        if turn.tries >= self.traffic.tries {
            return self.desk.ended();
        }
        let shared = self.clone();
        tokio::spawn(async move {
            sleep(pause(turn.tries)).await;
            shared.desk.again(turn);
        });
    }

    fn sends_now(&self) {
        self.sending_us.fetch_max(self.now_us(), Ordering::Relaxed);
    }

    fn now_us(&self) -> u64 {
        micros(self.schedule.start.elapsed())
    }
}

/// Up to half as long again, so that those who failed together do not come back together.
fn pause(tries: u8) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << u32::from(tries - 1).min(16));
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 + fastrand::f64() / 2.0)
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, ordered) = (thousands(self.sent), thousands(self.ordered));
        let failed = thousands(self.failed);
        write!(
            f,
            "{sent} orders sent, {ordered} answered 202, {failed} tries failed"
        )
    }
}

#[cfg(test)]
mod tests;
