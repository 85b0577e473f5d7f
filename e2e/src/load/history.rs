//! Every try of a load and its answer.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fluxgate_domain::ids::OrderId;

use super::player::Shared;
use super::{Attempt, Pace};
use crate::answer::{Failure, Outcome};
use crate::checker::{self, Answer, Expectations, OrderAnswer, StatusRead};
use crate::order::Sale;

/// Unexpected answers of one connection that are kept.
const UNEXPECTED_MAX: usize = 50;

/// One try of an order. Times are microseconds since the load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    pub sale: u16,
    pub buyer: u32,
    /// 1 for the first try.
    pub number: u8,
    pub due_us: u64,
    pub sent_us: u64,
    /// When the answer was complete, or the buyer stopped waiting.
    pub done_us: u64,
    pub answer: Answer,
    /// Why the order has to be sent again; nothing where the answer is final.
    pub failure: Option<Failure>,
}

/// What one connection recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub tries: Vec<Try>,
    pub status_reads: Vec<(u16, StatusRead)>,
    pub unexpected: Vec<(u16, String)>,
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Orders that were sent at least once.
    pub orders: u64,
    /// Whether these are all that were to be sent.
    pub complete: bool,
    /// From the beginning until the last of them was handed to a connection, or the load was stopped.
    pub sending: Duration,
}

/// What was sent, and everything that was answered.
#[derive(Debug, Clone)]
pub struct History {
    pub pace: Pace,
    pub expectations: Expectations,
    pub sales: Vec<Sale>,
    pub start: Instant,
    pub sent: Sent,
    /// In the order of their ends.
    pub tries: Vec<Try>,
    pub status_reads: Vec<(u16, StatusRead)>,
    /// Answers that are not in the contract, by sale.
    pub unexpected: Vec<(u16, String)>,
}

impl Log {
    /// What the checker makes of an outcome; an answer that is not in the contract is kept.
    pub fn answer(&mut self, sale: u16, outcome: &Outcome) -> Answer {
        let unexpected = match outcome {
            Outcome::Accepted {
                id,
                status,
                replayed,
            } => {
                return Answer::Placed {
                    id: *id,
                    status: *status,
                    replayed: *replayed,
                };
            }
            Outcome::Refused { http, code } => match Answer::refused(*http, code) {
                Some(answer) => return answer,
                None => format!("{http} {code}"),
            },
            Outcome::Unexpected { text, .. } => text.clone(),
            Outcome::NoAnswer { .. } => return Answer::Undecided,
        };
        if outcome.failure().is_none() && self.unexpected.len() < UNEXPECTED_MAX {
            self.unexpected.push((sale, unexpected));
        }
        Answer::Undecided
    }

    pub fn append(&mut self, other: Self) {
        self.tries.extend(other.tries);
        self.status_reads.extend(other.status_reads);
        self.unexpected.extend(other.unexpected);
    }
}

impl Try {
    /// From when it was due until its answer.
    pub fn latency_us(&self) -> u64 {
        self.done_us.saturating_sub(self.due_us)
    }

    /// Whether it was answered 202.
    pub fn is_accepted(&self) -> bool {
        self.answer.order_id().is_some()
    }
}

impl History {
    /// What was recorded, in the order of the tries' ends.
    pub(super) fn new(run: &Shared, sent: Sent, mut log: Log) -> Self {
        log.tries.sort_by_key(|it| it.done_us);
        Self {
            pace: run.player.pace,
            expectations: run.player.expectations,
            sales: run.sales.clone(),
            start: run.start,
            sent,
            tries: log.tries,
            status_reads: log.status_reads,
            unexpected: log.unexpected,
        }
    }

    /// Adds a later load of the same sales.
    ///
    /// # Errors
    /// When it has other sales.
    pub fn extend(&mut self, later: Self) -> Result<()> {
        let same_sales = later.sales == self.sales;
        ensure!(same_sales, "these loads are of different sales");
        let shift = micros(later.start.saturating_duration_since(self.start));
        self.tries.extend(later.tries.into_iter().map(|it| Try {
            due_us: it.due_us + shift,
            sent_us: it.sent_us + shift,
            done_us: it.done_us + shift,
            ..it
        }));
        for (sale, mut read) in later.status_reads {
            (read.sent_us, read.done_us) = (read.sent_us + shift, read.done_us + shift);
            self.status_reads.push((sale, read));
        }
        self.unexpected.extend(later.unexpected);
        self.sent.orders += later.sent.orders;
        Ok(())
    }

    /// How many tries have an answer that `pick` picks.
    pub fn count(&self, pick: impl Fn(Answer) -> bool) -> usize {
        self.tries.iter().filter(|it| pick(it.answer)).count()
    }

    /// The orders that answers name, as often as they do.
    pub fn order_ids(&self) -> impl Iterator<Item = OrderId> {
        self.tries.iter().filter_map(|it| it.answer.order_id())
    }

    /// The orders none of whose tries was decided, each once.
    pub fn undecided(&self) -> Vec<Attempt> {
        let mut decided: HashMap<(u16, u32), bool> = HashMap::new();
        for it in &self.tries {
            let decision = it.answer != Answer::Undecided;
            *decided.entry((it.sale, it.buyer)).or_default() |= decision;
        }
        decided.retain(|_, decided| !*decided);
        let (open, instance) = (decided.into_keys(), 0);
        let attempt = |(sale, buyer)| Attempt {
            sale,
            buyer,
            instance,
        };
        open.map(attempt).collect()
    }

    pub fn answered(&self) -> impl Iterator<Item = &Try> {
        self.tries.iter().filter(|it| it.failure.is_none())
    }

    /// Orders that never got a final answer.
    pub fn given_up(&self) -> u64 {
        self.sent.orders - self.answered().count() as u64
    }

    /// Tries that were sent from `begin` on and before `end`.
    pub fn sent_between(&self, begin: Instant, end: Instant) -> Vec<&Try> {
        let since = |time: Instant| micros(time.saturating_duration_since(self.start));
        let window = since(begin)..since(end);
        let tries = self.tries.iter();
        tries.filter(|it| window.contains(&it.sent_us)).collect()
    }

    /// Orders that were sent and were due in this part of the load.
    pub fn due_within(&self, window: &Range<u64>) -> usize {
        let first = self.tries.iter().filter(|it| it.number == 1);
        first.filter(|it| window.contains(&it.due_us)).count()
    }

    /// The longest time in this part of the load without a 202.
    pub fn longest_gap(&self, window: Range<u64>) -> Duration {
        let accepted = self.tries.iter().filter(|it| it.is_accepted());
        let mut times: Vec<u64> = accepted.map(|it| it.done_us).collect();
        times.retain(|it| window.contains(it));
        times.extend([window.start, window.end]);
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        Duration::from_micros(gaps.max().unwrap_or_default())
    }

    /// When the last order was due.
    pub fn last_due_us(&self) -> u64 {
        self.tries.iter().map(|it| it.due_us).max().unwrap_or(0)
    }

    /// The answers about one sale, as the checker takes them.
    pub fn of_sale(&self, sale: u16) -> checker::History {
        let own = self.tries.iter().filter(|it| it.sale == sale);
        // Elsewhere the order cannot exist.
        let may_exist = own.filter(|it| it.failure.is_none_or(Failure::may_have_ordered));
        let orders = may_exist.map(|it| OrderAnswer {
            sent_us: it.sent_us,
            done_us: it.done_us,
            buyer: it.buyer,
            quantity: 1,
            answer: it.answer,
        });
        let reads = self.status_reads.iter().filter(|(of, _)| *of == sale);
        let unexpected = self.unexpected.iter().filter(|(of, _)| *of == sale);
        checker::History {
            orders: orders.collect(),
            status_reads: reads.map(|(_, read)| *read).collect(),
            unexpected: unexpected.map(|(_, text)| text.clone()).collect(),
            expectations: self.expectations,
            ..Default::default()
        }
    }
}

/// The latencies that these shares of all tries did not exceed (nearest rank); zero without any.
pub fn percentiles<'a, const N: usize>(
    tries: impl IntoIterator<Item = &'a Try>,
    shares: [f64; N],
) -> [Duration; N] {
    let mut latencies: Vec<u64> = tries.into_iter().map(Try::latency_us).collect();
    latencies.sort_unstable();
    shares.map(|share| {
        let rank = (share * latencies.len() as f64).ceil() as usize;
        let us = latencies.get(rank.saturating_sub(1)).copied();
        Duration::from_micros(us.unwrap_or_default())
    })
}

pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::answer::Status;
    use crate::load::Player;

    pub const ID: &str = "018bcfe5-6800-8abc-9def-0123456789ab";

    /// Orders that are due every millisecond, with the times and answers of their tries.
    pub fn history(tries: &[(u32, u64, Answer)]) -> History {
        let mut seen = HashMap::new();
        let mut log = Log::default();
        for &(buyer, done_us, answer) in tries {
            let number = seen.entry(buyer).or_insert(0);
            *number += 1;
            let due_us = u64::from(buyer) * 1_000;
            log.tries.push(Try {
                sale: 0,
                buyer,
                number: *number,
                due_us,
                sent_us: due_us,
                done_us,
                answer,
                failure: (answer == Answer::Undecided).then_some(Failure::TimedOut),
            });
        }
        let run = Shared {
            player: Player::constant_rate(1_000, Vec::new()),
            sales: vec![Sale::unique("history", 3).unwrap()],
            start: Instant::now(),
            progress: Default::default(),
        };
        let (orders, sending) = (seen.len() as u64, Duration::from_millis(9));
        let complete = true;
        History::new(
            &run,
            Sent {
                orders,
                complete,
                sending,
            },
            log,
        )
    }

    pub fn placed() -> Answer {
        let id = ID.parse().unwrap();
        Answer::Placed {
            id,
            status: Status::Accepted,
            replayed: false,
        }
    }

    #[test]
    fn an_order_is_undecided_until_one_of_its_tries_is_answered() {
        let undecided = Answer::Undecided;
        let history = history(&[
            (1, 5, undecided),
            (1, 6, Answer::SoldOut),
            (2, 7, undecided),
        ]);
        let buyers: Vec<_> = history.undecided().iter().map(|it| it.buyer).collect();
        assert_eq!((buyers, history.given_up()), (vec![2], 1));
    }

    #[test]
    fn latencies_count_from_when_orders_were_due() {
        let history = history(&[
            (0, 500, placed()),
            (1, 1_500, placed()),
            (2, 9_000, placed()),
        ]);
        let two = percentiles(history.answered(), [0.5, 1.0]);
        assert_eq!(two, [500, 7_000].map(Duration::from_micros));
        assert_eq!(history.due_within(&(1_000..5_000)), 2);
        assert_eq!(percentiles([], [0.99]), [Duration::ZERO]);
    }

    #[test]
    fn gaps_count_from_the_beginning_to_the_end_of_the_window() {
        let history = history(&[
            (0, 1_000, placed()),
            (1, 2_000, placed()),
            (2, 5_000, placed()),
        ]);
        let us = Duration::from_micros;
        assert_eq!(history.longest_gap(0..10_000), us(5_000));
        assert_eq!(history.longest_gap(1_500..5_500), us(3_000));
    }

    #[test]
    fn a_later_load_is_moved_to_the_time_of_the_first() {
        let mut first = history(&[(0, 500, placed())]);
        let mut later = first.clone();
        later.start += Duration::from_millis(1);
        first.extend(later).unwrap();
        assert_eq!(first.tries[1].done_us, 1_500);
        assert!(first.extend(history(&[])).is_err(), "another sale");
    }

    #[test]
    fn only_answers_that_the_contract_does_not_have_are_kept_as_unexpected() {
        let mut log = Log::default();
        let refused = |http, code: &str| Outcome::Refused {
            http,
            code: code.into(),
        };
        let answers = [
            (409, "sold_out"),
            (503, "unavailable"),
            (429, "rate_limited"),
            (404, "x"),
        ]
        .map(|(http, code)| log.answer(0, &refused(http, code)));
        let undecided = Answer::Undecided;
        assert_eq!(answers, [Answer::SoldOut, undecided, undecided, undecided]);
        assert_eq!(log.unexpected, [(0, "404 x".to_owned())]);
    }
}
