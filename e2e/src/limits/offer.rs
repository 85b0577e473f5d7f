use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;

use super::LimitedSale;
use crate::pacer::{Pacer, Schedule};

const CONNECTIONS: usize = 128;
/// A load that takes longer than this times its duration has not reached its rate.
const BEHIND_MAX: f64 = 1.02;

/// What became of the orders that were offered.
#[derive(Debug)]
pub struct Offered {
    pub orders: u64,
    /// The others were refused because of a limit.
    pub taken: u64,
    pub time: Duration,
}

impl Offered {
    pub fn per_second(&self) -> u32 {
        (self.orders as f64 / self.time.as_secs_f64()) as u32
    }

    /// # Errors
    /// Unless so many orders were offered per second.
    pub fn expect_rate(&self, per_second: u32) -> Result<()> {
        let planned = self.orders as f64 / f64::from(per_second);
        let is_reached = self.time.as_secs_f64() <= BEHIND_MAX * planned;
        let offered = self.per_second();
        ensure!(is_reached, "only {offered} orders were offered per second");
        Ok(())
    }
}

impl LimitedSale<'_> {
    /// Offers `orders` orders of one unit at this rate, to the instances in turn: number `n` is of the user that `user_of` names,
    /// with a key of its own.
    ///
    /// # Errors
    /// When an answer is not 202, nor a refusal because of a limit.
    pub async fn offer(
        &self,
        orders: u64,
        per_second: u32,
        user_of: impl Fn(u64) -> String,
    ) -> Result<Offered> {
        let start = Instant::now();
        let schedule = Schedule {
            start,
            per_second,
            count: orders,
        };
        let pacer = Pacer::start(schedule, CONNECTIONS);
        let (next, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        let connections = (0..CONNECTIONS).map(|_| async {
            loop {
                pacer.permits.acquire().await?.forget();
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= orders {
                    return anyhow::Ok(());
                }
                let is_taken = self.offer_one(number, &user_of(number)).await;
                let is_taken = is_taken.with_context(|| format!("order {number}"))?;
                taken.fetch_add(is_taken.into(), Ordering::Relaxed);
            }
        });
        try_join_all(connections).await?;
        Ok(Offered {
            orders,
            taken: taken.into_inner(),
            time: start.elapsed(),
        })
    }

    /// Whether the order was taken.
    async fn offer_one(&self, number: u64, user: &str) -> Result<bool> {
        let client = &self.clients[number as usize % self.clients.len()];
        let key = format!("key-{number}");
        let answer = client.order_of(&self.sale.product, user, &key).await?;
        match answer {
            (202, _) => Ok(true),
            (429, problem) if problem["code"] == "rate_limited" => Ok(false),
            (status, body) => bail!("{status} {body}"),
        }
    }
}
