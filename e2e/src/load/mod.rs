//! The load player: sends orders, records every answer, and compares the answers with the stores.
//! Demo, rehearsal, scale runs and tests are presets of it.
//!
//! | module | holds |
//! |---|---|
//! | [`player`] | orders over a number of connections, as fast as answered or at a constant rate, with retries |
//! | `dispatcher`, `connection` | its parts: when which order is sent, and what one connection does |
//! | [`history`] | every try and its answer |
//! | [`check`] | the history, given to [`crate::checker`] sale by sale |
//! | [`report`] | both, as a table and a last line |
//! | [`demo`], [`rehearse`] | the presets that are programs of their own |

pub mod check;
mod connection;
pub mod demo;
mod dispatcher;
pub mod history;
pub mod player;
pub mod rehearse;
pub mod report;

use std::ops::Range;
use std::time::Duration;

use crate::checker::Expectations;

/// How orders are sent.
#[derive(Debug, Clone)]
pub struct Player {
    /// Instances of the API, or one address that leads to all of them. Each try of an order goes to the next.
    pub urls: Vec<String>,
    /// Maximum concurrent requests.
    pub connections: u32,
    /// When an order is sent.
    pub pace: Pace,
    /// Maximum tries of an order without a final answer.
    pub tries: u8,
    /// How long a buyer waits for an answer.
    pub timeout: Duration,
    /// What the checker may expect of the answers. If it expects final statuses, each order
    /// is read from every instance until it has one.
    pub expectations: Expectations,
}

/// When an order is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When the previous order on the same connection has been answered.
    AsAnswered,
    /// At this rate per second, however slowly the orders are answered. Latency counts from when an order was due.
    PerSecond(u32),
}

/// An order about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The index of its sale.
    pub sale: u16,
    pub buyer: u32,
    /// The index of the URL it is sent to first, modulo the number of URLs.
    pub instance: u32,
}

impl Player {
    /// As fast as answered, each order once, directly to the API.
    pub fn crowd(connections: u32, urls: Vec<String>) -> Self {
        Self {
            urls,
            connections,
            pace: Pace::AsAnswered,
            tries: 1,
            timeout: Duration::from_secs(15),
            expectations: Expectations {
                first_answer_unmarked: true,
                ..Default::default()
            },
        }
    }

    /// At a constant rate, with retries, possibly through a proxy that repeats requests itself.
    pub fn constant_rate(per_second: u32, urls: Vec<String>) -> Self {
        Self {
            urls,
            connections: 64,
            pace: Pace::PerSecond(per_second),
            tries: 20,
            timeout: Duration::from_secs(5),
            expectations: Expectations::default(),
        }
    }

    /// The same at a constant rate.
    pub fn at(mut self, per_second: u32) -> Self {
        self.pace = Pace::PerSecond(per_second);
        self
    }
}

/// One order of each buyer, the sales and the instances in turn.
pub fn once(sales: Range<u16>, buyers: Range<u32>) -> impl Iterator<Item = Attempt> + Send {
    buyers.map(move |buyer| {
        let sale = sales.start + (buyer % sales.len() as u32) as u16;
        Attempt {
            sale,
            buyer,
            instance: buyer,
        }
    })
}

/// Every order of a sale at least twice: two concurrent attempts over different connections and to different
/// instances; afterwards, when all orders were sent, once more for every buyer that `third` selects.
pub fn racing<F: Fn(u32) -> bool + Send>(
    sale: u16,
    buyers: u32,
    third: F,
) -> impl Iterator<Item = Attempt> + Send {
    let twice = (0..buyers).flat_map(|buyer| [(buyer, 0), (buyer, 1)]);
    let again = (0..buyers)
        .filter(move |buyer| third(*buyer))
        .map(|buyer| (buyer, 0));
    twice.chain(again).map(move |(buyer, instance)| Attempt {
        sale,
        buyer,
        instance,
    })
}
