//! Buyers and admins: each kind sends requests at a constant rate, whatever happens to the system. What is asked
//! follows from the seed and from the answers so far.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use fluxgate_domain::ids::OrderId;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::history::{Action, Request, Response};

/// Requests of one kind in flight; above it ticks are skipped. A frozen instance holds 3 s of them.
const IN_FLIGHT_MAX: usize = 1_000;
/// Of a hundred retries, those that ask for another quantity with the same key.
const OTHER_QUANTITY_PERCENT: u32 = 3;
/// Orders that are read again and again.
const FOLLOWED: usize = 12;
/// Of a hundred cancels or restocks, those that repeat an earlier one, which may still be in flight.
const REPEATED_PERCENT: u32 = 35;
/// Units of a restock.
const RESTOCK_UNITS: RangeInclusive<u32> = 5..=30;
/// How many of the last orders count as recent.
const RECENT: usize = 60;

/// Requests a second.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Rates {
    pub orders: u32,
    pub retries: u32,
    pub status_reads: u32,
    pub sale_reads: u32,
    pub cancels: u32,
    pub restocks: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            orders: 220,
            retries: 90,
            status_reads: 60,
            sale_reads: 10,
            cancels: 10,
            restocks: 2,
        }
    }
}

/// A kind of client, with what it remembers.
enum Kind {
    /// New orders, each of a new buyer.
    Orders(u32),
    /// Orders that were sent before: placed ones, refused ones, and those without an answer.
    Retries,
    /// Statuses of orders: some again and again, the rest at random.
    StatusReads(Vec<(String, OrderId)>),
    SaleReads,
    Cancels(Vec<Request>),
    /// Restocks of the sales that sell out.
    Restocks(Vec<Request>),
}

/// What all kinds share.
#[derive(Debug)]
struct Shared {
    /// The last one never sells out.
    products: Vec<String>,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    sent: Vec<Request>,
    /// Products and orders.
    placed: Vec<(String, OrderId)>,
    known: HashSet<OrderId>,
}

/// The running clients. Dropping it stops them all.
#[derive(Debug)]
pub struct Clients {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Clients {
    /// Starts them. The last of `products` is the sale that never sells out.
    pub fn start(caller: &Caller, products: Vec<String>, rates: Rates, seed: u64) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let shared = Arc::new(Shared {
            products,
            orders: Mutex::default(),
        });
        let kinds = [
            (rates.orders, Kind::Orders(0)),
            (rates.retries, Kind::Retries),
            (rates.status_reads, Kind::StatusReads(Vec::new())),
            (rates.sale_reads, Kind::SaleReads),
            (rates.cancels, Kind::Cancels(Vec::new())),
            (rates.restocks, Kind::Restocks(Vec::new())),
        ];
        for (number, (rate, kind)) in (1..).zip(kinds) {
            let rng = Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(number));
            let period = Duration::from_secs(1) / rate;
            let (caller, shared) = (caller.clone(), Arc::clone(&shared));
            tasks.spawn(send_all(kind, period, caller, shared, rng, stop.clone()));
        }
        Self { tasks, stop }
    }

    /// Stops new requests; returns when all have their answer or their callers have stopped waiting.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a client panicked")?;
        }
        Ok(())
    }
}

async fn send_all(
    mut kind: Kind,
    period: Duration,
    caller: Caller,
    shared: Arc<Shared>,
    mut rng: Rng,
    stop: CancellationToken,
) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut in_flight = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        while in_flight.try_join_next().is_some() {}
        if in_flight.len() >= IN_FLIGHT_MAX {
            continue;
        }
        let Some(request) = kind.next(&shared, &mut rng) else {
            continue;
        };
        let instance = rng.usize(..caller.instances());
        let (caller, shared) = (caller.clone(), Arc::clone(&shared));
        in_flight.spawn(async move {
            shared.sent(&request);
            let response = caller.ask(instance, request.clone()).await;
            shared.answered(&request, &response);
        });
    }
    while in_flight.join_next().await.is_some() {}
}

impl Kind {
    /// The next request; none while there is nothing to ask about.
    fn next(&mut self, shared: &Shared, rng: &mut Rng) -> Option<Request> {
        let (product, action) = match self {
            Self::Orders(buyers) => {
                *buyers += 1;
                let (buyer, quantity) = (*buyers, rng.choice([1, 1, 1, 1, 2, 3])?);
                let product = rng.choice(&shared.products)?.clone();
                (product, Action::Order { buyer, quantity })
            }
            Self::Retries => {
                let mut request = pick(&shared.orders().sent, rng)?;
                if let Action::Order { quantity, .. } = &mut request.action
                    && rng.u32(..100) < OTHER_QUANTITY_PERCENT
                {
                    *quantity += 1;
                }
                return Some(request);
            }
            Self::StatusReads(followed) => {
                if followed.len() < FOLLOWED {
                    followed.push(shared.placed(rng)?);
                } else if rng.u32(..40) == 0 {
                    // Another one from time to time: an order is final soon.
                    followed[rng.usize(..FOLLOWED)] = shared.placed(rng)?;
                }
                let read_followed = rng.bool();
                let (product, id) = match rng.choice(followed.iter()) {
                    Some(followed) if read_followed => followed.clone(),
                    _ => shared.placed(rng)?,
                };
                (product, Action::ReadStatus(id))
            }
            Self::SaleReads => (rng.choice(&shared.products)?.clone(), Action::ReadSale),
            Self::Cancels(sent) => {
                return repeat_or(sent, rng, |rng, _| {
                    let (product, id) = shared.placed(rng)?;
                    Some((product, Action::Cancel(id)))
                });
            }
            Self::Restocks(sent) => {
                return repeat_or(sent, rng, |rng, count| {
                    let (_, selling_out) = shared.products.split_last()?;
                    let product = rng.choice(selling_out)?.clone();
                    let (key, units) = (format!("restock-{count}"), rng.u32(RESTOCK_UNITS));
                    Some((product, Action::Restock { key, units }))
                });
            }
        };
        Some(Request { product, action })
    }
}

/// One of the requests that were sent before, or a new one, which is told how many there were.
fn repeat_or(
    sent: &mut Vec<Request>,
    rng: &mut Rng,
    new: impl FnOnce(&mut Rng, usize) -> Option<(String, Action)>,
) -> Option<Request> {
    if !sent.is_empty() && rng.u32(..100) < REPEATED_PERCENT {
        return rng.choice(sent.iter()).cloned();
    }
    let (product, action) = new(rng, sent.len())?;
    let request = Request { product, action };
    sent.push(request.clone());
    Some(request)
}

impl Shared {
    fn sent(&self, request: &Request) {
        if request.is_order() {
            self.orders().sent.push(request.clone());
        }
    }

    fn answered(&self, request: &Request, response: &Response) {
        if let (true, Some(order)) = (request.is_order(), response.order()) {
            let mut orders = self.orders();
            if orders.known.insert(order.id) {
                orders.placed.push((request.product.clone(), order.id));
            }
        }
    }

    fn placed(&self, rng: &mut Rng) -> Option<(String, OrderId)> {
        pick(&self.orders().placed, rng)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any of them; every other time a recent one.
fn pick<T: Clone>(all: &[T], rng: &mut Rng) -> Option<T> {
    let recent = all.len().saturating_sub(RECENT);
    let from = if rng.bool() { recent } else { 0 };
    rng.choice(&all[from..]).cloned()
}
