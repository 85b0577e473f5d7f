//! Buyers and admins: each kind sends requests at a constant rate, whatever happens to the system. What is asked
//! follows from the seed and from the answers so far.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use fluxgate_domain::ids::OrderId;

use crate::checker::Expectations;
use crate::exchange::Request;
use crate::load::caller::Caller;
use crate::load::player::Running;
use crate::load::{Attempt, Player};
use crate::order::Action;

/// Requests of one kind in flight; above it new ones wait. A frozen instance holds 3 s of them.
const IN_FLIGHT_MAX: u32 = 1_000;
/// Longest that a buyer waits: a frozen instance must not hold all of them.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Of a hundred retries, those that ask for another quantity with the same key.
const OTHER_QUANTITY_PERCENT: u32 = 3;
/// Orders that are read again and again.
const FOLLOWED: usize = 12;
/// Of a hundred cancels or restocks, those that repeat an earlier one, which may still be in flight.
const REPEATED_PERCENT: u32 = 35;
/// Units of a restock.
const RESTOCK_UNITS: RangeInclusive<u32> = 5..=30;
/// How many of the last orders or answers count as recent.
const RECENT: usize = 60;

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// New orders, each of a new buyer.
    Orders,
    /// Orders that were sent before: placed ones, refused ones, and those without an answer, which may still be in
    /// flight.
    Retries,
    /// Statuses of orders: some again and again, the rest at random.
    StatusReads,
    SaleReads,
    Cancels,
    /// Restocks of the sales that sell out.
    Restocks,
}

/// Requests a second, by kind; none of a kind whose rate is 0.
pub type Rates = [(Kind, u32)];

const USUAL: [(Kind, u32); 6] = [
    (Kind::Orders, 220),
    (Kind::Retries, 90),
    (Kind::StatusReads, 60),
    (Kind::SaleReads, 10),
    (Kind::Cancels, 10),
    (Kind::Restocks, 2),
];

/// What clients of one kind ask.
struct Source {
    kind: Kind,
    caller: Caller,
    rng: Rng,
    buyers: u32,
    /// Orders that any kind has sent.
    orders: Arc<Mutex<Vec<Request>>>,
    /// Orders whose status is read again and again, or cancels or restocks that were sent.
    own: Vec<Request>,
}

/// The player of all kinds, each at its own rate.
pub fn player(urls: Vec<String>) -> Player {
    Player {
        tries: 1,
        timeout: TIMEOUT,
        expectations: Expectations {
            final_status_read: true,
            ..Default::default()
        },
        connections: IN_FLIGHT_MAX,
        ..Player::constant_rate(1, urls)
    }
}

/// Starts them, some at other rates than the usual. The last of the caller's sales never sells out.
pub fn start(player: &Player, caller: &Caller, other: &Rates, seed: u64) -> Vec<Running> {
    let orders = Arc::default();
    let start = |(number, (kind, usual))| -> Option<Running> {
        let other = other.iter().find(|(it, _)| *it == kind);
        let rate = other.map_or(usual, |(_, rate)| *rate);
        if rate == 0 {
            return None;
        }
        let source = Source {
            kind,
            caller: caller.clone(),
            rng: Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(number)),
            buyers: 0,
            orders: Arc::clone(&orders),
            own: Vec::new(),
        };
        Some(player.clone().at(rate).start_with(caller, source))
    };
    (1..).zip(USUAL).filter_map(start).collect()
}

/// Stops new requests; returns when all have their answer or their callers have stopped waiting.
pub async fn stop(clients: Vec<Running>) -> Result<()> {
    clients.iter().for_each(Running::stop);
    for mut kind in clients {
        kind.end().await?;
    }
    Ok(())
}

impl Iterator for Source {
    type Item = Attempt;

    /// While there is nothing to ask about yet, a sale is read.
    fn next(&mut self) -> Option<Attempt> {
        let request = self
            .request()
            .unwrap_or_else(|| self.about_any_sale(Action::ReadSale));
        if request.action.is_order() {
            self.orders().push(request);
        }
        let instance = self.rng.u32(..self.caller.instances());
        Some(Attempt { request, instance })
    }
}

impl Source {
    fn request(&mut self) -> Option<Request> {
        Some(match self.kind {
            Kind::Orders => {
                self.buyers += 1;
                let (buyer, quantity) = (self.buyers, self.rng.choice([1, 1, 1, 1, 2, 3])?);
                self.about_any_sale(Action::Order { buyer, quantity })
            }
            Kind::Retries => self.retry()?,
            Kind::StatusReads => {
                if self.own.len() < FOLLOWED {
                    let read = self.about_placed(Action::ReadStatus)?;
                    self.own.push(read);
                } else if self.rng.u32(..40) == 0 {
                    // Another one from time to time: an order is final soon.
                    self.own[self.rng.usize(..FOLLOWED)] = self.about_placed(Action::ReadStatus)?;
                }
                match self.rng.bool() {
                    true => *self.rng.choice(&self.own)?,
                    false => self.about_placed(Action::ReadStatus)?,
                }
            }
            Kind::SaleReads => self.about_any_sale(Action::ReadSale),
            Kind::Cancels | Kind::Restocks
                if !self.own.is_empty() && self.rng.u32(..100) < REPEATED_PERCENT =>
            {
                *self.rng.choice(&self.own)?
            }
            Kind::Cancels => {
                let cancel = self.about_placed(Action::Cancel)?;
                self.own.push(cancel);
                cancel
            }
            Kind::Restocks => {
                let (number, units) = (self.own.len() as u32, self.rng.u32(RESTOCK_UNITS));
                let sale = self.rng.u16(..self.caller.sales.len() as u16 - 1);
                let action = Action::Restock { number, units };
                self.own.push(Request { sale, action });
                Request { sale, action }
            }
        })
    }

    fn retry(&mut self) -> Option<Request> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut request = pick(&orders, &mut self.rng, |it| Some(*it))?;
        if let Action::Order { quantity, .. } = &mut request.action
            && self.rng.u32(..100) < OTHER_QUANTITY_PERCENT
        {
            *quantity += 1;
        }
        Some(request)
    }

    fn about_any_sale(&mut self, action: Action) -> Request {
        let sale = self.rng.u16(..self.caller.sales.len() as u16);
        Request { sale, action }
    }

    /// About an order that was placed.
    fn about_placed(&mut self, action: fn(OrderId) -> Action) -> Option<Request> {
        self.caller.recorder.look(|exchanges| {
            pick(exchanges, &mut self.rng, |it| {
                let (sale, id) = (it.request.sale, it.order_id()?);
                let action = action(id);
                it.request
                    .action
                    .is_order()
                    .then_some(Request { sale, action })
            })
        })
    }

    fn orders(&self) -> MutexGuard<'_, Vec<Request>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any of those that `wanted` takes, if there are some among them; every other time a recent one.
fn pick<I, T>(all: &[I], rng: &mut Rng, wanted: impl Fn(&I) -> Option<T>) -> Option<T> {
    let from = if rng.bool() {
        all.len().saturating_sub(RECENT)
    } else {
        0
    };
    (0..RECENT).find_map(|_| wanted(rng.choice(&all[from..])?))
}
