use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fluxgate_core::ids::OrderId;

use super::Refusal;
use crate::clock::Moment;
use crate::metrics::Metrics;
use crate::sales::{Closure, DoorSign, Orders, Sale};
use crate::stock::{KnownSale, Sign, Stock, StockError};

/// Times that a sign is asked for before the doorman lets it be: to hang it, and to read first.
const ATTEMPTS: usize = 2;

/// Turns buyers away without asking Redis, as long as a sign says that nothing is taken.
///
/// Exact all the same: a sign hangs by Redis's leave (`lua/sign.lua`), for so long that no unit that
/// comes back is sold while one hangs; it counts from before Redis was asked; and whoever asks for an
/// order that was taken is let through. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Doorman {
    stock: Stock,
    /// How long a sign hangs; zero: there are none.
    hangs: Duration,
    /// Orders kept in memory, by all doormen of this copy, and the most that may be.
    kept: Arc<AtomicUsize>,
    kept_max: usize,
    metrics: Metrics,
}

impl Doorman {
    /// A doorman who asks `stock`, and keeps at most `kept_max` orders together with those who share
    /// `kept`.
    pub fn new(
        stock: Stock,
        hangs: Duration,
        kept: Arc<AtomicUsize>,
        kept_max: usize,
        metrics: Metrics,
    ) -> Self {
        Self {
            stock,
            hangs,
            kept,
            kept_max,
            metrics,
        }
    }

    /// Why an order is not taken, if that can be told from memory.
    pub fn turn_away(&self, sale: &Arc<Sale>, order: OrderId) -> Option<Refusal> {
        let now = Moment::now();
        let sign = sale.door.sign(now)?;
        let sign = sign.as_ref()?;
        let left = sign.until.since(now);
        if sign.why != Closure::NotOpen && left < self.hangs / 2 {
            self.look_after(sale);
        }
        if !sign.concerns(order) {
            return None;
        }
        self.metrics.refused_from_memory_total.inc();
        Some(match sign.why {
            Closure::SoldOut => Refusal::SoldOut,
            Closure::Closed => Refusal::Closed,
            Closure::NotOpen => Refusal::NotOpen {
                opens_in_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            },
        })
    }

    /// Hears why Redis, asked at `asked`, did not take an order.
    pub fn hear(&self, sale: &Arc<Sale>, refusal: &Refusal, asked: Moment) {
        match *refusal {
            Refusal::SoldOut | Refusal::Closed => self.look_after(sale),
            // When it opens never changes, and nobody has an order before.
            Refusal::NotOpen { opens_in_ms } if opens_in_ms > 0 && !self.hangs.is_zero() => {
                sale.door.hang(DoorSign {
                    why: Closure::NotOpen,
                    until: asked + Duration::from_millis(opens_in_ms),
                    orders: None,
                });
            }
            _ => {}
        }
    }

    fn look_after(&self, sale: &Arc<Sale>) {
        if !self.hangs.is_zero() && sale.door.enter() {
            let (doorman, sale) = (self.clone(), Arc::clone(sale));
            tokio::spawn(async move {
                // What hangs runs out by itself.
                if let Err(error) = doorman.hang_sign(&sale).await {
                    tracing::debug!(%error, sale.product = %sale.facts.product, "no sign");
                }
                sale.door.leave();
            });
        }
    }

    async fn hang_sign(&self, sale: &Sale) -> Result<(), StockError> {
        let last = sale.door.last_sign();
        let mut orders = last.and_then(|sign| sign.orders.clone());
        for _ in 0..ATTEMPTS {
            // Before Redis is asked: so it ends here before it ends there.
            let until = Moment::now() + self.hangs;
            let known = KnownSale {
                keys: &sale.keys,
                opened_at: sale.facts.opens_at,
                witness: sale.witness(),
                outbox_max: 0,
            };
            let read = orders.as_ref().map(|orders| orders.number);
            let sign = self.stock.hang_sign(&known, self.hangs, read).await?;
            let why = match sign {
                Sign::SoldOut => Closure::SoldOut,
                Sign::Closed => Closure::Closed,
                Sign::No => {
                    sale.door.clear();
                    return Ok(());
                }
                Sign::Read { number, orders: n } => {
                    let rests = |it: &Arc<Orders>| Moment::now().since(it.read_at) < it.rest();
                    if orders.as_ref().is_some_and(rests) || !self.has_room_for(n) {
                        return Ok(());
                    }
                    let ids = self.stock.order_ids(&sale.keys).await?;
                    let kept = Arc::clone(&self.kept);
                    orders = Some(Arc::new(Orders::new(&ids, number, Moment::now(), kept)));
                    continue;
                }
            };
            sale.door.hang(DoorSign { why, until, orders });
            return Ok(());
        }
        Ok(())
    }

    fn has_room_for(&self, orders: u64) -> bool {
        let kept = self.kept.load(Ordering::Relaxed);
        let fits = usize::try_from(orders).is_ok_and(|n| kept.saturating_add(n) <= self.kept_max);
        if !fits {
            self.metrics.sign_orders_limit_hits_total.inc();
        }
        fits
    }
}
