//! The load player: sends requests, records every answer, and compares the answers with the stores.
//! Demo, rehearsal, scale runs, fault runs and tests are presets of it.
//!
//! | module | holds |
//! |---|---|
//! | [`player`] | requests over a number of connections, as fast as answered or at a constant rate, with retries |
//! | `stream`, [`caller`], [`recorder`] | its parts: when what is sent; asks an instance; notes every request and its answer |
//! | [`history`] | all of them |
//! | [`check`] | the history, passed to [`crate::checker`] sale by sale |
//! | [`report`] | both, as a table and a last line |
//! | [`demo`], [`rehearse`] | the presets that are programs of their own |

pub mod caller;
pub mod check;
pub mod demo;
pub mod history;
pub mod player;
pub mod recorder;
pub mod rehearse;
pub mod report;
mod stream;

use std::ops::Range;
use std::time::Duration;

use crate::checker::Expectations;
use crate::exchange::Request;
use crate::order::Action;

const GRACE: Duration = Duration::from_secs(90);

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct Player {
    /// Instances of the API, or one address that leads to all of them. Each try of an order goes to the next.
    pub urls: Vec<String>,
    /// Maximum concurrent requests.
    pub connections: u32,
    /// When a request is sent.
    pub pace: Pace,
    /// Maximum tries of a request without a final answer.
    pub tries: u8,
    /// The longest time that requests may be retried after the last new one was due.
    pub grace: Duration,
    /// How long a buyer waits for an answer.
    pub timeout: Duration,
    /// What the checker may expect of the answers.
    pub expectations: Expectations,
}

/// When a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When the previous order on the same connection has been answered.
    AsAnswered,
    /// At this rate per second, however slowly the orders are answered. Latency counts from when an order was due.
    PerSecond(u32),
}

/// A request about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    pub request: Request,
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
            grace: GRACE,
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
            grace: GRACE,
            timeout: Duration::from_secs(5),
            expectations: Expectations {
                behind_proxy: true,
                ..Default::default()
            },
        }
    }

    /// The same at a constant rate.
    pub fn at(mut self, per_second: u32) -> Self {
        self.pace = Pace::PerSecond(per_second);
        self
    }
}

impl Attempt {
    /// A buyer's order of one unit.
    pub fn order(sale: u16, buyer: u32, instance: u32) -> Self {
        let action = Action::Order { buyer, quantity: 1 };
        let request = Request { sale, action };
        Self { request, instance }
    }
}

/// One order of each buyer, the sales and the instances in turn.
pub fn once(sales: Range<u16>, buyers: Range<u32>) -> impl Iterator<Item = Attempt> + Send {
    buyers.map(move |buyer| {
        let sale = sales.start + (buyer % sales.len() as u32) as u16;
        Attempt::order(sale, buyer, buyer)
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
    let all = twice.chain(again);
    all.map(move |(buyer, instance)| Attempt::order(sale, buyer, instance))
}
