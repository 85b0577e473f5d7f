//! Sales that are over: they have ended, and Redis no longer has them. PostgreSQL answers for them.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use fluxgate_domain::Terms;
use fluxgate_domain::ids::{ProductId, RestockId, Tag, Total};
use fluxgate_gate::{SaleFacts, SaleView, limits_field};
use fluxgate_ledger::{LedgerEntry, LedgerReader, Unavailable};
use jiff::Timestamp;
use quick_cache::sync::Cache;

use super::Publisher;

/// Sales whose logs an instance remembers to be written.
const SALES_MAX: usize = 10_000;
/// How long it is remembered that a log is not written yet.
const UNWRITTEN_TTL: Duration = Duration::from_secs(1);

/// Whether a sale that Redis does not have is over. One with orders that still have to be paid is not: they neither
/// expire nor count as paid without Redis.
pub fn has_ended(entry: &LedgerEntry) -> bool {
    let has_holds = entry.terms.is_some_and(|terms| terms.holds().is_some());
    let is_held = has_holds && entry.sold > entry.completed;
    !is_held && entry.ends_at.is_some_and(|at| at <= Timestamp::now())
}

/// The view of a sale that is over; `None` if its row holds what no worker writes.
pub fn view(product: &ProductId, entry: &LedgerEntry) -> Option<SaleView> {
    let limit = entry.per_user_limit.map(u32::try_from).transpose().ok()?;
    let opened_total = Total::try_from(entry.total - entry.restocked).ok()?;
    // Opened by version 0.2 or earlier: it is not known whether an opening time was requested.
    let terms = entry.terms.unwrap_or(Terms {
        closes_at: entry.closes_at,
        per_user_limit: limit,
        ..Terms::of(opened_total)
    });
    Some(SaleView {
        terms,
        amended: None,
        queue_change: None,
        facts: SaleFacts {
            product: product.clone(),
            tag: Tag::of(product),
            opens_at: entry.opens_at,
            id_time: entry.id_time,
            closes_at: entry.closes_at,
            per_user_limit: limit,
            has_holds: terms.holds().is_some(),
            has_queue: terms.queue.is_some(),
            is_limited: limits_field(&terms).is_some(),
            partition: entry.partition,
        },
        total: Total::try_from(entry.total).ok()?,
        opened_total,
        remaining: u32::try_from(entry.total - entry.sold).ok()?,
        completed: u32::try_from(entry.completed).ok()?,
        opening: false,
        closed: true,
        number: entry.highest,
        sold_out_until: None,
        seen_at: Timestamp::now(),
    })
}

/// Tells whether PostgreSQL has all that was ever accepted of a sale that is over: only then does a missing row mean that
/// there was no such order.
pub struct WrittenSales {
    ledger: Option<LedgerReader>,
    publisher: Publisher,
    topic: String,
    sales: Cache<ProductId, LogState>,
}

/// What is known of the log of a sale.
#[derive(Clone, Copy)]
struct LogState {
    /// The end of its partition at a time when the sale was over; `None` while Kafka gives no answer.
    end: Option<i64>,
    is_written: bool,
    read_at: Instant,
}

impl WrittenSales {
    /// Compares `topic` with the positions in the ledger.
    pub fn new(ledger: Option<LedgerReader>, publisher: Publisher, topic: String) -> Self {
        Self {
            ledger,
            publisher,
            topic,
            sales: Cache::new(SALES_MAX),
        }
    }

    /// Whether PostgreSQL is past the end that the log of a sale that is over had when it was first asked for. Concurrent
    /// callers share one answer; without a usable one, it is not known to be.
    pub async fn has(&self, sale: &SaleFacts) -> bool {
        let known = self.sales.get(&sale.product);
        let is_stale = |it: &LogState| !it.is_written && it.read_at.elapsed() >= UNWRITTEN_TTL;
        self.sales.remove_if(&sale.product, is_stale);
        let read = async {
            let end = match known.and_then(|known| known.end) {
                Some(end) => Some(end),
                None => self.publisher.end(sale.partition).await,
            };
            Ok::<_, Infallible>(LogState {
                end,
                is_written: self.is_past(end, sale.partition).await,
                read_at: Instant::now(),
            })
        };
        match self.sales.get_or_insert_async(&sale.product, read).await {
            Ok(state) => state.is_written,
            Err(never) => match never {},
        }
    }

    async fn is_past(&self, end: Option<i64>, partition: i32) -> bool {
        let (Some(ledger), Some(end)) = (&self.ledger, end) else {
            return false;
        };
        let position = ledger.position(&self.topic, partition).await;
        matches!(position, Ok(Some(position)) if position >= end)
    }

    /// The units of an earlier restock of a sale that is over.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable, or has not written the log of the sale yet.
    pub async fn restock(
        &self,
        sale: &SaleFacts,
        id: RestockId,
    ) -> Result<Option<i64>, Unavailable> {
        let ledger = self.ledger.as_ref().ok_or(Unavailable)?;
        let units = ledger.restock(&sale.product, id).await?;
        if units.is_some() {
            return Ok(units);
        }
        if !self.has(sale).await {
            return Err(Unavailable);
        }
        // It may have been written since.
        ledger.restock(&sale.product, id).await
    }
}
