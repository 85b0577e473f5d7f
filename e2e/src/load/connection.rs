//! One connection of a load: sends the orders it is given and records the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::ids::OrderId;
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;

use super::dispatcher::Turn;
use super::history::{Log, Try, micros};
use super::player::Shared;
use super::{Attempt, Pace};
use crate::answer::Outcome;
use crate::checker::StatusRead;
use crate::client::Client;

/// The pause before a failed order is sent again: the first one and the longest one; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a connection of a crowd waits after a request without an answer. Without it, the whole
/// crowd would be sent to an instance in the second in which it is down.
const PAUSE_WITHOUT_ANSWER: Duration = Duration::from_millis(100);
const BETWEEN_READS: Duration = Duration::from_millis(10);
/// Longest that an order may take to its final status.
const FINAL_STATUS_LIMIT: Duration = Duration::from_secs(30);

pub struct Connection {
    pub shared: Arc<Shared>,
    pub clients: Vec<Client>,
    pub due: Arc<Mutex<mpsc::Receiver<Turn>>>,
    pub returned: mpsc::UnboundedSender<Option<Turn>>,
    pub log: Log,
}

impl Connection {
    pub async fn run(mut self) -> Log {
        loop {
            let turn = self.due.lock().await.recv().await;
            let Some(turn) = turn else { return self.log };
            self.send(turn).await;
        }
    }

    async fn send(&mut self, mut turn: Turn) {
        let Attempt {
            sale,
            buyer,
            instance,
        } = turn.attempt;
        let order = self.shared.sales[usize::from(sale)].order_of(buyer);
        let client = (instance as usize + usize::from(turn.tries)) % self.clients.len();
        let sent_us = self.now_us();
        if self.shared.player.pace == Pace::AsAnswered && turn.tries == 0 {
            turn.due_us = sent_us;
        }
        turn.tries += 1;
        if turn.tries == 1 {
            self.shared.progress.send_modify(|it| it.sent += 1);
        }
        let outcome = self.clients[client].order(&order).await;
        let ended = Try {
            sale,
            buyer,
            number: turn.tries,
            due_us: turn.due_us,
            sent_us,
            done_us: self.now_us(),
            failure: outcome.failure(),
            answer: self.log.answer(sale, &outcome),
        };
        self.log.tries.push(ended);
        self.shared.progress.send_modify(|it| it.count(&ended));
        if let Some(id) = ended.answer.order_id()
            && self.shared.player.expectations.final_status_read
        {
            self.read_until_final(sale, id).await;
        }
        self.end_or_retry(turn, &ended, &outcome).await;
    }

    async fn end_or_retry(&self, turn: Turn, ended: &Try, outcome: &Outcome) {
        let player = &self.shared.player;
        if ended.failure.is_some() && turn.tries < player.tries {
            let returned = self.returned.clone();
            tokio::spawn(async move {
                sleep(retry_pause(turn.tries)).await;
                // A dispatcher that has ended no longer needs it.
                let _ = returned.send(Some(turn));
            });
            return;
        }
        let _ = self.returned.send(None);
        if player.pace == Pace::AsAnswered && matches!(outcome, Outcome::NoAnswer { .. }) {
            sleep(PAUSE_WITHOUT_ANSWER).await;
        }
    }

    /// Reads an order's status from every instance in turn until all show a final one.
    async fn read_until_final(&mut self, sale: u16, id: OrderId) {
        let begin = Instant::now();
        let mut all_final = false;
        while !all_final && begin.elapsed() < FINAL_STATUS_LIMIT {
            sleep(BETWEEN_READS).await;
            all_final = true;
            for client in &self.clients {
                let sent_us = self.now_us();
                match client.status(id).await {
                    Ok(status) => {
                        let done_us = self.now_us();
                        let read = StatusRead {
                            sent_us,
                            done_us,
                            id,
                            status,
                        };
                        self.log.status_reads.push((sale, read));
                        all_final &= status.rank() > 0;
                    }
                    Err(error) => self.log.unexpected.push((sale, format!("{error:#}"))),
                }
            }
        }
    }

    fn now_us(&self) -> u64 {
        micros(self.shared.start.elapsed())
    }
}

/// Up to 50 % longer, so that buyers who failed at the same time do not retry at the same time.
fn retry_pause(tries: u8) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << u32::from(tries - 1).min(16));
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_pauses_grow_and_are_bounded() {
        for (tries, least_ms) in [(1, 100), (2, 200), (5, 1_600), (6, 2_000), (255, 2_000)] {
            let pause = retry_pause(tries).as_millis();
            assert!((least_ms..=least_ms * 3 / 2).contains(&pause), "{pause}");
        }
    }
}
