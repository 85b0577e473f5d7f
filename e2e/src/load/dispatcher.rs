//! Hands new orders, when they are due, and retries to connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::history::{Sent, micros};
use super::{Attempt, Pace};
use crate::pacer::{Pacer, Schedule};

/// An attempt on its way to a connection.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub attempt: Attempt,
    pub due_us: u64,
    /// How often it was sent.
    pub tries: u8,
}

pub struct Dispatcher<I> {
    pub attempts: I,
    pub turns: mpsc::Sender<Turn>,
    /// What a connection sends when an order has ended (none) or has to be sent again.
    pub returns: mpsc::UnboundedReceiver<Option<Turn>>,
    pub stop: CancellationToken,
    /// Longest that orders may be retried after the last new one was due.
    pub grace: Duration,
}

impl<I: Iterator<Item = Attempt>> Dispatcher<I> {
    pub async fn run(mut self, pace: Pace, start: Instant) -> Sent {
        let count = self.attempts.size_hint().1.map_or(u64::MAX, |it| it as u64);
        let schedule = match pace {
            Pace::AsAnswered => None,
            Pace::PerSecond(per_second) => Some(Schedule {
                start,
                per_second,
                count,
            }),
        };
        let pacer = schedule.map(|it| Pacer::start(it, 0));
        // Without a pacer every order is due at once, and no permit is waited for.
        let none = || Arc::new(Semaphore::new(0));
        let permits = pacer.as_ref().map_or_else(none, Pacer::permits);
        let bounded = schedule.filter(|it| it.count < u64::MAX);
        let mut deadline = bounded.map(|it| it.due(it.count) + self.grace);
        let (mut begun, mut open) = (0, 0);
        let (mut more, mut due) = (true, pacer.is_none());
        let mut sending_us = 0;
        while more || open > 0 {
            let end = deadline.unwrap_or_else(|| Instant::now() + self.grace);
            let was_sending = more;
            tokio::select! {
                biased;
                returned = self.returns.recv(), if open > 0 => match returned.flatten() {
                    Some(turn) if self.turns.send(turn).await.is_ok() => {}
                    _ => open -= 1,
                },
                () = sleep_until(end.into()), if deadline.is_some() => break,
                () = self.stop.cancelled(), if more => more = false,
                Ok(permit) = permits.acquire(), if more && !due => {
                    permit.forget();
                    due = true;
                }
                Ok(slot) = self.turns.reserve(), if more && due => match self.attempts.next() {
                    Some(attempt) => {
                        let due_us = schedule.map_or(0, |it| micros(it.due_after(begun)));
                        slot.send(Turn { attempt, due_us, tries: 0 });
                        (begun, open, due) = (begun + 1, open + 1, pacer.is_none());
                        // The pacer has no permit after the last one, so its end would never be asked for.
                        more = begun < count;
                    }
                    None => more = false,
                },
                else => break,
            }
            if was_sending && !more {
                sending_us = micros(start.elapsed());
                let last = Instant::now() + self.grace;
                deadline = Some(deadline.map_or(last, |it| it.min(last)));
            }
        }
        let complete = !more;
        if more {
            sending_us = micros(start.elapsed());
        }
        Sent {
            orders: begun,
            complete,
            sending: Duration::from_micros(sending_us),
        }
    }
}
