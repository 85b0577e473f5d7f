//! Every request of a run and its answer.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fluxgate_domain::ids::OrderId;

use super::Player;
use super::caller::Caller;
use super::recorder::micros;
use crate::answer::Response;
use crate::checker;
use crate::exchange::Exchange;
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
    pub fn count(&self, pick: impl Fn(&Response) -> bool) -> usize {
        self.orders().filter(|it| pick(&it.response)).count()
    }

    /// The orders that answers name, as often as they do.
    pub fn order_ids(&self) -> impl Iterator<Item = OrderId> {
        self.orders().filter_map(Exchange::order_id)
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
    use std::collections::HashMap;

    use super::*;
    use crate::answer::{Failure, Refusal};
    use crate::checker::script::accepted;
    use crate::exchange::undecided;
    use crate::load::Attempt;

    /// Orders that are due every millisecond, with the times and answers of their tries.
    pub fn history(tries: &[(u32, u64, Response)]) -> History {
        let mut seen = HashMap::new();
        let exchanges = tries.iter().map(|(buyer, done_us, response)| {
            let number = seen.entry(*buyer).or_insert(0);
            *number += 1;
            let due_us = u64::from(*buyer) * 1_000;
            Exchange {
                request: Attempt::order(0, *buyer, 0).request,
                instance: 0,
                number: *number,
                due_us,
                sent_us: due_us,
                done_us: *done_us,
                response: response.clone(),
            }
        });
        History {
            player: Player::constant_rate(1_000, Vec::new()),
            sales: vec![Sale::unique("history", 3).unwrap()],
            start: Instant::now(),
            exchanges: exchanges.collect(),
            sent: Sent {
                orders: seen.len() as u64,
                complete: true,
                sending: Duration::from_millis(9),
            },
        }
    }

    #[test]
    fn an_order_is_undecided_until_its_last_try_is_answered() {
        let unanswered = || Response::NoAnswer(Failure::TimedOut);
        let tries = [
            (1, 5, unanswered()),
            (1, 6, Response::Refused(Refusal::SoldOut)),
            (2, 7, unanswered()),
        ];
        let history = history(&tries);
        let open = undecided(&history.exchanges);
        assert_eq!(open, [Attempt::order(0, 2, 0).request]);
        assert_eq!(history.given_up(), 1);
    }

    #[test]
    fn latencies_count_from_when_orders_were_due_and_gaps_within_their_window() {
        let tries = [(0, 500), (1, 1_500), (2, 9_000)];
        let history = history(&tries.map(|(buyer, done_us)| (buyer, done_us, accepted(0))));
        let two = percentiles(history.answered(), [0.5, 1.0]);
        assert_eq!(two, [500, 7_000].map(Duration::from_micros));
        assert_eq!(history.due_within(&(1_000..5_000)), 2);
        assert_eq!(percentiles([], [0.99]), [Duration::ZERO]);
        let gaps = [0..20_000, 1_000..9_500].map(|window| history.longest_gap(window));
        assert_eq!(gaps, [11_000, 7_500].map(Duration::from_micros));
    }

    #[test]
    fn a_later_load_is_moved_to_the_time_of_the_first() {
        let mut first = history(&[(0, 500, accepted(0))]);
        let mut later = first.clone();
        later.start += Duration::from_millis(1);
        first.extend(later).unwrap();
        assert_eq!(first.exchanges[1].done_us, 1_500);
        assert!(first.extend(history(&[])).is_err(), "another sale");
    }
}
