//! Every request of a run and its answer.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fluxgate_domain::ids::OrderId;

use super::caller::Caller;
use super::recorder::micros;
use super::{Attempt, Player};
use crate::answer::Answer;
use crate::checker;
use crate::exchange::{Exchange, Request};
use crate::order::Sale;

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
    pub player: Player,
    pub sales: Vec<Sale>,
    pub start: Instant,
    pub sent: Sent,
    /// In the order of their ends.
    pub exchanges: Vec<Exchange>,
}

impl History {
    pub(super) fn new(player: Player, caller: &Caller, sent: Sent) -> Self {
        let mut exchanges = caller.recorder.take();
        exchanges.sort_by_key(|it| it.done_us);
        Self {
            player,
            sales: caller.sales.to_vec(),
            start: caller.recorder.start,
            sent,
            exchanges,
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
        let later_exchanges = later.exchanges.into_iter();
        self.exchanges.extend(later_exchanges.map(|it| Exchange {
            due_us: it.due_us + shift,
            sent_us: it.sent_us + shift,
            done_us: it.done_us + shift,
            ..it
        }));
        self.sent.orders += later.sent.orders;
        Ok(())
    }

    /// The tries of orders.
    pub fn orders(&self) -> impl Iterator<Item = &Exchange> + Clone {
        let exchanges = self.exchanges.iter();
        exchanges.filter(|it| it.request.action.is_order())
    }

    /// How many tries of orders have an answer that `pick` picks.
    pub fn count(&self, pick: impl Fn(Answer) -> bool) -> usize {
        self.orders().filter(|it| pick(it.answer())).count()
    }

    /// The orders that answers name, as often as they do.
    pub fn order_ids(&self) -> impl Iterator<Item = OrderId> {
        self.orders().filter_map(Exchange::order_id)
    }

    /// The orders none of whose tries was decided, each once.
    pub fn undecided(&self) -> Vec<Attempt> {
        let mut decided: HashMap<Request, bool> = HashMap::new();
        for it in self.orders() {
            let decision = it.answer() != Answer::Undecided;
            *decided.entry(it.request).or_default() |= decision;
        }
        decided.retain(|_, decided| !*decided);
        let (open, instance) = (decided.into_keys(), 0);
        open.map(|request| Attempt { request, instance }).collect()
    }

    /// Tries of orders with a final answer.
    pub fn answered(&self) -> impl Iterator<Item = &Exchange> {
        self.orders().filter(|it| it.response.failure().is_none())
    }

    /// Orders that never got a final answer.
    pub fn given_up(&self) -> u64 {
        self.sent.orders - self.answered().count() as u64
    }

    /// Tries of orders that were sent from `begin` on and before `end`.
    pub fn sent_between(&self, begin: Instant, end: Instant) -> Vec<&Exchange> {
        let since = |time: Instant| micros(time.saturating_duration_since(self.start));
        let window = since(begin)..since(end);
        let orders = self.orders();
        orders.filter(|it| window.contains(&it.sent_us)).collect()
    }

    /// Orders that were sent and were due in this part of the load.
    pub fn due_within(&self, window: &Range<u64>) -> usize {
        let first = self.orders().filter(|it| it.number == 1);
        first.filter(|it| window.contains(&it.due_us)).count()
    }

    /// The longest time in this part of the load without a 202.
    pub fn longest_gap(&self, window: Range<u64>) -> Duration {
        let accepted = self.orders().filter(|it| it.order_id().is_some());
        let mut times: Vec<u64> = accepted.map(|it| it.done_us).collect();
        times.retain(|it| window.contains(it));
        times.extend([window.start, window.end]);
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        Duration::from_micros(gaps.max().unwrap_or_default())
    }

    /// When the last order was due.
    pub fn last_due_us(&self) -> u64 {
        self.orders().map(|it| it.due_us).max().unwrap_or(0)
    }

    /// What was asked about one sale.
    pub fn of_sale(&self, number: u16) -> checker::History<'_> {
        checker::History {
            sale: &self.sales[usize::from(number)],
            number,
            exchanges: &self.exchanges,
            expectations: self.player.expectations,
        }
    }
}

/// The latencies, from when each was due until its answer, that these shares of all tries did not exceed (nearest rank); zero without any.
pub fn percentiles<'a, const N: usize>(
    tries: impl IntoIterator<Item = &'a Exchange>,
    shares: [f64; N],
) -> [Duration; N] {
    let tries = tries.into_iter();
    let latencies = tries.map(|it| it.done_us.saturating_sub(it.due_us));
    let mut latencies: Vec<u64> = latencies.collect();
    latencies.sort_unstable();
    shares.map(|share| {
        let rank = (share * latencies.len() as f64).ceil() as usize;
        let us = latencies.get(rank.saturating_sub(1)).copied();
        Duration::from_micros(us.unwrap_or_default())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::answer::{Response, Status};
    use crate::checker::example;
    pub use crate::checker::example::{UNANSWERED, refused};
    use crate::load::recorder::Recorder;

    /// Orders that are due every millisecond, with the times and answers of their tries.
    pub fn history(tries: &[(u32, u64, Response)]) -> History {
        let player = Player::constant_rate(1_000, Vec::new());
        let (sale, recorder) = (
            Sale::unique("history", 3).unwrap(),
            Recorder::new(Instant::now()),
        );
        let caller = player.caller("", &[sale], recorder).unwrap();
        let mut seen = HashMap::new();
        for (buyer, done_us, response) in tries {
            let number = seen.entry(*buyer).or_insert(0);
            *number += 1;
            let due_us = u64::from(*buyer) * 1_000;
            caller.recorder.add(Exchange {
                request: Attempt::order(0, *buyer, 0).request,
                instance: 0,
                number: *number,
                due_us,
                sent_us: due_us,
                done_us: *done_us,
                response: response.clone(),
            });
        }
        let sent = Sent {
            orders: seen.len() as u64,
            complete: true,
            sending: Duration::from_millis(9),
        };
        History::new(player, &caller, sent)
    }

    pub fn placed() -> Response {
        example::response(example::placed(0, Status::Accepted, false))
    }

    #[test]
    fn an_order_is_undecided_until_one_of_its_tries_is_answered() {
        let tries = [
            (1, 5, UNANSWERED),
            (1, 6, refused(409, "sold_out")),
            (2, 7, UNANSWERED),
        ];
        let history = history(&tries);
        let undecided = [Attempt::order(0, 2, 0)];
        assert_eq!(
            (&*history.undecided(), history.given_up()),
            (&undecided[..], 1)
        );
    }

    #[test]
    fn latencies_count_from_when_orders_were_due_and_gaps_within_their_window() {
        let tries = [(0, 500), (1, 1_500), (2, 9_000)];
        let history = history(&tries.map(|(buyer, done_us)| (buyer, done_us, placed())));
        let two = percentiles(history.answered(), [0.5, 1.0]);
        assert_eq!(two, [500, 7_000].map(Duration::from_micros));
        assert_eq!(history.due_within(&(1_000..5_000)), 2);
        assert_eq!(percentiles([], [0.99]), [Duration::ZERO]);
        let gaps = [0..20_000, 1_000..9_500].map(|window| history.longest_gap(window));
        assert_eq!(gaps, [11_000, 7_500].map(Duration::from_micros));
    }

    #[test]
    fn a_later_load_is_moved_to_the_time_of_the_first() {
        let mut first = history(&[(0, 500, placed())]);
        let mut later = first.clone();
        later.start += Duration::from_millis(1);
        first.extend(later).unwrap();
        assert_eq!(first.exchanges[1].done_us, 1_500);
        assert!(first.extend(history(&[])).is_err(), "another sale");
    }
}
