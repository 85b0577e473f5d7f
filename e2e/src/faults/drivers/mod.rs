//! The crowd of a run: everything that buyers and administrators do, at a steady rate, whatever
//! happens to the system. What is asked follows from the seed and from what was answered so far.

mod admins;
mod book;
mod buyers;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::admins::{Cancels, Restocks};
use self::book::Book;
use self::buyers::{Buyers, Looks, Reads, Retries};
use super::caller::Caller;
use super::history::Ask;
use super::market::Market;

/// Requests of one driver that may be under way; above it beats are left out. A frozen copy
/// collects three seconds of them.
const UNDER_WAY_MAX: usize = 1_000;

/// Requests a second.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Rates {
    pub orders: u32,
    pub retries: u32,
    pub reads: u32,
    pub looks: u32,
    pub cancels: u32,
    pub restocks: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            orders: 220,
            retries: 90,
            reads: 60,
            looks: 10,
            cancels: 10,
            restocks: 2,
        }
    }
}

/// Decides what is asked next, and which copy; nothing while there is nothing to ask about.
trait Driver: Send + 'static {
    fn next(&mut self, book: &Book) -> Option<Ask>;
}

/// Drivers at work. Dropping them ends all.
#[derive(Debug)]
pub struct Drivers {
    tasks: JoinSet<()>,
    enough: CancellationToken,
}

impl Drivers {
    /// Sets them all to work.
    pub fn start(caller: &Caller, market: &Market, rates: Rates, seed: u64) -> Self {
        let mut drivers = Self {
            tasks: JoinSet::new(),
            enough: CancellationToken::new(),
        };
        let mut lane = 0;
        let mut rng = || {
            lane += 1;
            fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(lane))
        };
        let book = Arc::new(Book::default());
        let work: [(u32, Box<dyn Driver>); 6] = [
            (rates.orders, Box::new(Buyers::new(market, rng()))),
            (rates.retries, Box::new(Retries(rng()))),
            (rates.reads, Box::new(Reads::new(rng()))),
            (rates.looks, Box::new(Looks::new(market, rng()))),
            (rates.cancels, Box::new(Cancels::new(rng()))),
            (rates.restocks, Box::new(Restocks::new(market, rng()))),
        ];
        for (rate, driver) in work {
            let (caller, book, rng) = (caller.clone(), Arc::clone(&book), rng());
            let beat = Duration::from_secs(1) / rate;
            let work = drive(driver, beat, caller, book, rng, drivers.enough.clone());
            drivers.tasks.spawn(work);
        }
        drivers
    }

    /// Lets nobody ask anything new; returns when all have been answered or have given up.
    ///
    /// # Errors
    /// When a driver panicked.
    pub async fn stop(mut self) -> Result<()> {
        self.enough.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a driver panicked")?;
        }
        Ok(())
    }
}

async fn drive(
    mut driver: Box<dyn Driver>,
    beat: Duration,
    caller: Caller,
    book: Arc<Book>,
    mut rng: fastrand::Rng,
    enough: CancellationToken,
) {
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            () = enough.cancelled() => break,
            _ = beats.tick() => {}
        }
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= UNDER_WAY_MAX {
            continue;
        }
        let Some(ask) = driver.next(&book) else {
            continue;
        };
        let copy = rng.usize(..caller.copies());
        let (caller, book) = (caller.clone(), Arc::clone(&book));
        under_way.spawn(async move {
            book.asked(&ask);
            let reply = caller.ask(copy, ask.clone()).await;
            book.answered(&ask, &reply);
        });
    }
    while under_way.join_next().await.is_some() {}
}
