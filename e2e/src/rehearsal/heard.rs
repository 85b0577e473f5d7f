//! Everything that the buyers were told, some forty bytes an order.

use std::ops::Range;
use std::time::Duration;

use super::attempt::{Ending, Failure, Words};
use crate::pacer::Schedule;

/// An order that ended with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Which, from 0.
    pub order: u32,
    /// Microseconds from when it was due until it was sent for the first time.
    pub late_us: u32,
    /// Microseconds from the beginning until its last answer.
    pub done_us: u64,
    /// How often it was sent.
    pub tries: u8,
    /// How it ended.
    pub ending: Ending,
}

/// A try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Of which order.
    pub order: u32,
    /// Whether it was the first.
    pub first: bool,
    /// Microseconds from the beginning until it had failed.
    pub done_us: u64,
    /// How.
    pub failure: Failure,
}

/// What one connection heard.
#[derive(Debug, Default)]
pub struct Notes {
    /// Orders that ended.
    pub told: Vec<Told>,
    /// Tries that failed.
    pub failed: Vec<Failed>,
}

/// All of it.
#[derive(Debug)]
pub struct Heard {
    /// When orders were due.
    pub schedule: Schedule,
    /// Orders that were sent at least once: numbers from 0.
    pub sent: u32,
    /// From the beginning until the last order was sent for the first time, or no more were to be sent.
    pub sending: Duration,
    /// By number. An order that was sent and is missing was given up.
    pub told: Vec<Told>,
    /// By number of the order.
    pub failed: Vec<Failed>,
    /// Texts of answers that should not be.
    pub words: Words,
}

impl Heard {
    /// Puts together what all connections heard.
    pub fn new(
        schedule: Schedule,
        sent: u32,
        sending: Duration,
        notes: impl IntoIterator<Item = Notes>,
        words: Words,
    ) -> Self {
        let (mut told, mut failed) = (Vec::new(), Vec::new());
        for notes in notes {
            told.extend(notes.told);
            failed.extend(notes.failed);
        }
        told.sort_unstable_by_key(|it: &Told| it.order);
        // Stable, so that an order's tries stay in their order.
        failed.sort_by_key(|it: &Failed| it.order);
        Self {
            schedule,
            sent,
            sending,
            told,
            failed,
            words,
        }
    }

    /// Orders that were sent and never answered for good.
    pub fn given_up(&self) -> u64 {
        u64::from(self.sent) - self.told.len() as u64
    }

    /// Requests: every try of every order.
    pub fn requests(&self) -> u64 {
        (self.told.len() + self.failed.len()) as u64
    }

    /// Those that were answered 202.
    pub fn ordered(&self) -> impl Iterator<Item = &Told> {
        let told = self.told.iter();
        told.filter(|it| matches!(it.ending, Ending::Ordered { .. }))
    }

    /// From when it was due until the answer that ended it.
    pub fn latency_us(&self, told: &Told) -> u64 {
        told.done_us.saturating_sub(self.due_us(told.order))
    }

    /// The longest time in which no 202 came, from the beginning to the last order's time.
    pub fn longest_silence(&self) -> Duration {
        let end = self.schedule.due_after(self.sent.into());
        self.longest_silence_within(0..micros(end))
    }

    /// The same within a part of the time, in microseconds from the beginning.
    pub fn longest_silence_within(&self, window: Range<u64>) -> Duration {
        let times = self.ordered().map(|it| it.done_us);
        let mut times: Vec<u64> = times.filter(|it| window.contains(it)).collect();
        times.push(window.end);
        times.sort_unstable();
        let mut last = window.start;
        let gaps = times
            .into_iter()
            .map(|time| time - std::mem::replace(&mut last, time));
        Duration::from_micros(gaps.max().unwrap_or_default())
    }

    /// How many orders that were sent were due in a part of the time, in microseconds from the beginning.
    pub fn due_within(&self, window: Range<u64>) -> usize {
        let due = (0..self.sent).map(|order| self.due_us(order));
        due.filter(|us| window.contains(us)).count()
    }

    /// Those of them that ended with an answer.
    pub fn told_due_within(&self, window: Range<u64>) -> impl Iterator<Item = &Told> {
        let told = self.told.iter();
        told.filter(move |told| window.contains(&self.due_us(told.order)))
    }

    fn due_us(&self, order: u32) -> u64 {
        micros(self.schedule.due_after(order.into()))
    }
}

/// The latencies that these shares of all did not exceed (nearest rank); zero without any.
pub fn percentiles<const N: usize>(mut all_us: Vec<u64>, shares: [f64; N]) -> [Duration; N] {
    all_us.sort_unstable();
    shares.map(|share| {
        let rank = (share * all_us.len() as f64).ceil() as usize;
        let us = all_us.get(rank.saturating_sub(1)).copied();
        Duration::from_micros(us.unwrap_or_default())
    })
}

/// Whole microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::OrderId;

    use super::*;

    fn told(order: u32, done_us: u64) -> Told {
        let id: OrderId = "018bcfe5-6800-8abc-9def-0123456789ab".parse().unwrap();
        Told {
            order,
            late_us: 0,
            done_us,
            tries: 1,
            ending: Ending::Ordered {
                id,
                replayed: false,
                reserved: false,
            },
        }
    }

    fn heard(times: &[u64]) -> Heard {
        let schedule = Schedule {
            start: std::time::Instant::now(),
            per_second: 1_000,
            count: 10,
        };
        let told = (0..).zip(times).map(|(n, time)| told(n, *time)).collect();
        let notes = Notes {
            told,
            failed: Vec::new(),
        };
        let sending = Duration::from_millis(9);
        Heard::new(schedule, 10, sending, [notes], Words::default())
    }

    #[test]
    fn an_order_that_has_no_end_was_given_up() {
        let heard = heard(&[500, 1_500, 2_500]);
        assert_eq!((heard.given_up(), heard.requests()), (7, 3));
    }

    #[test]
    fn latencies_count_from_when_orders_were_due() {
        let heard = heard(&[500, 1_500, 9_000]);
        let latencies: Vec<_> = heard.told.iter().map(|it| heard.latency_us(it)).collect();
        assert_eq!(latencies, [500, 500, 7_000]);
        let two = percentiles(latencies, [0.5, 1.0]);
        assert_eq!(two, [500, 7_000].map(Duration::from_micros));
        let told = heard.told_due_within(1_000..3_000);
        assert_eq!(told.map(|it| it.order).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(heard.due_within(1_000..5_000), 4, "answered or not");
    }

    #[test]
    fn silence_counts_to_the_last_orders_time() {
        let ms = Duration::from_millis;
        assert_eq!(heard(&[1_000, 2_000, 5_000]).longest_silence(), ms(5));
        assert_eq!(heard(&[1_000, 7_000, 9_500]).longest_silence(), ms(6));
        let within = heard(&[1_000, 2_000, 5_000]).longest_silence_within(1_500..5_500);
        assert_eq!(within, ms(3));
    }
}
