use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use fluxgate_core::ids::OrderId;

use super::Refusal;
use crate::clock::Moment;
use crate::metrics::Metrics;
use crate::sales::{Closure, DoorSign, Orders, Room, Sale};
use crate::stock::{KnownSale, Number, Sign, Stock, StockError};

/// Times that a sign is asked for before the doorman lets it be: to hang it, and to read first.
const ATTEMPTS: usize = 2;
/// The longest that hanging a sign may take, reading all orders included.
const VISIT_MAX: Duration = Duration::from_secs(5);
/// How long it is not worth to read orders again, which takes Redis's time, for each of them.
const REST_EACH: Duration = Duration::from_micros(20);
/// How long no sign is asked for where it could not hang.
const QUIET: Duration = Duration::from_millis(500);

/// Turns buyers away without asking Redis, as long as a sign says that nothing is taken.
///
/// Exact all the same: a sign hangs by Redis's leave (`lua/sign.lua`), for so long that no unit that
/// comes back is sold while one hangs; it counts from before Redis was asked; and whoever asks for an
/// order that was taken is let through. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Doorman {
    stock: Stock,
    /// How long a sign hangs, by Redis's clock; zero: there are none.
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
        if sign.orders.is_some() && sign.until.since(now) < self.hangs_here() / 2 {
            self.look_after(sale, now);
        }
        if !sign.concerns(order) {
            return None;
        }
        self.metrics.refused_from_memory_total.inc();
        Some(match sign.why {
            Closure::SoldOut => Refusal::SoldOut,
            Closure::Closed => Refusal::Closed,
            Closure::NotOpen { opens_at } => Refusal::NotOpen {
                opens_in_ms: u64::try_from(opens_at.since(now).as_millis()).unwrap_or(u64::MAX),
            },
        })
    }

    /// Hears why Redis, asked at `asked`, did not take an order.
    pub fn hear(&self, sale: &Arc<Sale>, refusal: &Refusal, asked: Moment) {
        match *refusal {
            Refusal::SoldOut | Refusal::Closed => self.look_after(sale, Moment::now()),
            // Nobody has an order before it opens.
            Refusal::NotOpen { opens_in_ms } if opens_in_ms > 0 => {
                let opens_in = Duration::from_millis(opens_in_ms);
                sale.door.hang(DoorSign {
                    why: Closure::NotOpen {
                        opens_at: asked + opens_in,
                    },
                    until: asked + opens_in.min(self.hangs_here()),
                    orders: None,
                });
            }
            _ => {}
        }
    }

    /// A sign ends here a fifth earlier than Redis believes: clocks that are being set right go slower
    /// or faster for a while.
    fn hangs_here(&self) -> Duration {
        self.hangs * 4 / 5
    }

    fn look_after(&self, sale: &Arc<Sale>, now: Moment) {
        if !self.hangs.is_zero() && sale.door.enter(now) {
            let visit = Visit(Arc::clone(sale));
            let doorman = self.clone();
            tokio::spawn(async move {
                let hung = tokio::time::timeout(VISIT_MAX, doorman.hang_sign(&visit.0)).await;
                // What hangs runs out by itself.
                if !matches!(hung, Ok(Ok(()))) {
                    tracing::debug!(?hung, sale.product = %visit.0.facts.product, "no sign");
                }
            });
        }
    }

    async fn hang_sign(&self, sale: &Sale) -> Result<(), StockError> {
        let last = sale.door.last_sign();
        let mut orders = last.and_then(|sign| sign.orders.clone());
        for _ in 0..ATTEMPTS {
            // Before Redis is asked: so it ends here before it ends there.
            let until = Moment::now() + self.hangs_here();
            let known = KnownSale {
                keys: &sale.keys,
                opened_at: sale.facts.opens_at,
                witness: sale.witness(),
                outbox_max: 0,
            };
            let read = orders.as_ref().map(|orders| orders.number);
            let why = match self.stock.hang_sign(&known, self.hangs, read).await? {
                Sign::SoldOut => Closure::SoldOut,
                Sign::Closed => Closure::Closed,
                Sign::No => {
                    sale.door.clear();
                    return Ok(());
                }
                Sign::Read { number, fields } => {
                    // What was read before is of no more use.
                    drop(orders.take());
                    sale.door.clear();
                    sale.saw(number);
                    orders = self.read(sale, number, fields).await?;
                    if orders.is_none() {
                        return Ok(());
                    }
                    continue;
                }
            };
            sale.door.hang(DoorSign { why, until, orders });
            return Ok(());
        }
        Ok(())
    }

    /// Reads the orders of a sale, of which there are so many `fields`; none where that must not be
    /// done now, or where it brought less.
    async fn read(
        &self,
        sale: &Sale,
        number: Number,
        fields: u32,
    ) -> Result<Option<Arc<Orders>>, StockError> {
        let now = Moment::now();
        if !sale.door.may_read(now, now + REST_EACH * fields) {
            return Ok(None);
        }
        let Some(room) = Room::take(&self.kept, fields as usize, self.kept_max) else {
            self.metrics.sign_orders_limit_hits_total.inc();
            sale.door.be_quiet(now + QUIET);
            return Ok(None);
        };
        let read = self.stock.order_ids(&sale.keys).await?;
        if read.fields != fields as usize {
            sale.door.be_quiet(now + QUIET);
            return Ok(None);
        }
        Ok(Some(Arc::new(Orders::new(&read.orders, number, room))))
    }
}

/// Somebody looks after a sale's sign, until this is dropped.
struct Visit(Arc<Sale>);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.door.leave();
    }
}
