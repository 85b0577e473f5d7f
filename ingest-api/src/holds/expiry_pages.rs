use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::records::OrderRecord;
use fluxgate_domain::{OrderStatus, SequenceNumber};
use fluxgate_gate::{
    Acked, AckedEvent, ChangeContext, DueHolds, EXPIRIES_PER_CALL_MAX, Expiries, HoldsWatch,
    OutboxEntry, ReservationStore,
};
use fluxgate_ledger::{LedgerReader, ReadClass};
use fluxgate_log::{Publication, Wait};
use futures_util::future::join_all;
use jiff::Timestamp;

use super::expiry_summary::Blocked;
use crate::metrics::Metrics;
use crate::pauses::Pauses;
use crate::sales::{PublishedEntry, Publisher, Sale};

/// How long a page waits for the worker to write the log.
const WORKER_WAIT: Duration = Duration::from_secs(2);
/// The pause before the worker's position is read again; it doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long a page waits for Kafka.
const PUBLISH_WAIT: Duration = Duration::from_secs(2);

/// Lets the orders of a sale expire, in pages of [`EXPIRIES_PER_CALL_MAX`], one under way.
///
/// Redis may have lost the completion of an order. So a page expires only after the ledger has what was on the log: by the
/// number up to which the ledger has the sale, because a Redis that is behind it expires nothing; and without the orders whose
/// rows say that they are paid, because Redis may have given the lost numbers to others since.
pub struct ExpiryPages {
    store: ReservationStore,
    publisher: Publisher,
    ledger: LedgerReader,
    topic: String,
    outbox_max: u32,
    metrics: Metrics,
}

impl ExpiryPages {
    /// Expires orders in `store`, whose events go to `topic`. They fill an outbox to at most half of `orders_outbox_max`, the
    /// limit for orders.
    pub fn new(
        store: ReservationStore,
        publisher: Publisher,
        ledger: LedgerReader,
        topic: String,
        orders_outbox_max: u32,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            publisher,
            ledger,
            topic,
            outbox_max: orders_outbox_max.div_ceil(2),
            metrics,
        }
    }

    /// Lets orders expire whose holds have no grace left, and then those since, until there are none. No page begins after
    /// `until`.
    ///
    /// # Errors
    /// If something keeps orders from expiring. What has expired already waits in the outbox.
    pub async fn expire(
        &self,
        sale: &Arc<Sale>,
        mut due: DueHolds,
        until: Instant,
    ) -> Result<(), Blocked> {
        // Orders that are paid keep their holds, before those of all later pages.
        let mut paid = 0;
        loop {
            let page = self.expire_page(sale, &due).await?;
            paid += page.paid;
            let is_full = due.orders.len() >= EXPIRIES_PER_CALL_MAX;
            if !is_full || page.expired + page.paid == 0 || Instant::now() >= until {
                return Ok(());
            }
            let now = Timestamp::now();
            match self.store.watch_holds(&sale.keys, now, paid).await {
                Ok(HoldsWatch::Due(more)) if !more.orders.is_empty() => due = more,
                // If there is something else, the next pass will see it.
                _ => return Ok(()),
            }
        }
    }

    /// What is `due` must have been seen before this call: the log and the ledger are read after it, so no completion that was
    /// on Kafka then is overlooked.
    async fn expire_page(&self, sale: &Arc<Sale>, due: &DueHolds) -> Result<Page, Blocked> {
        let partition = sale.facts.partition;
        if self.publisher.is_open(partition) {
            return Err(Blocked::Kafka);
        }
        let end = self.publisher.end(partition).await.ok_or(Blocked::Kafka)?;
        self.until_written(partition, end).await?;
        let highest = self.ledger.highest(&[&sale.series]).await;
        let highest = highest.map_err(|_| Blocked::Ledger)?;
        let (_, number) = highest.first().ok_or(Blocked::Ledger)?;
        sale.observe(*number);
        let unpaid = self.unpaid(&due.orders).await?;
        let expired = self.mark(sale, due.cutoff, &unpaid).await?;
        self.publish(sale, &expired).await?;
        self.give_back(sale, &expired).await?;
        Ok(Page {
            expired: expired.len(),
            paid: due.orders.len() - unpaid.len(),
        })
    }

    /// Waits until the worker has written the log of a partition up to `end`.
    async fn until_written(&self, partition: i32, end: i64) -> Result<(), Blocked> {
        let deadline = tokio::time::Instant::now() + WORKER_WAIT;
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE, deadline);
        loop {
            let position = self.ledger.position(&self.topic, partition).await;
            let position = position.map_err(|_| Blocked::Ledger)?;
            if position.is_some_and(|position| position >= end) {
                return Ok(());
            }
            if !pauses.wait().await {
                return Err(Blocked::Ledger);
            }
        }
    }

    /// Those of these orders whose rows do not say that they are paid.
    async fn unpaid(&self, orders: &[OrderId]) -> Result<Vec<OrderId>, Blocked> {
        let rows = self.ledger.orders(ReadClass::Known, orders).await;
        let mut unpaid = Vec::with_capacity(orders.len());
        for (id, row) in orders.iter().zip(rows) {
            let row = row.map_err(|_| Blocked::Ledger)?;
            if row.is_none_or(|row| row.status != OrderStatus::Completed) {
                unpaid.push(*id);
            }
        }
        Ok(unpaid)
    }

    /// Marks these orders as expired in Redis, if their holds ended at `cutoff` or before.
    async fn mark(
        &self,
        sale: &Sale,
        cutoff: Timestamp,
        orders: &[OrderId],
    ) -> Result<Vec<Expired>, Blocked> {
        let context = ChangeContext {
            product: &sale.facts.product,
            keys: &sale.keys,
            high_water_mark: sale.high_water_mark(),
            outbox_max: self.outbox_max,
        };
        let orders = match self.store.expire(context, cutoff, orders).await {
            Ok(Expiries::Noted(orders)) => orders,
            Ok(Expiries::OutboxFull) => return Err(Blocked::Outbox),
            Ok(Expiries::Unknown | Expiries::Behind | Expiries::Lost) => {
                return Err(Blocked::Redis);
            }
            Err(error) => {
                tracing::debug!(sale.product = %sale.facts.product, %error, "cannot let orders expire");
                return Err(Blocked::Redis);
            }
        };
        self.metrics
            .orders_expired_total
            .inc_by(orders.len() as u64);
        let expired = orders
            .into_iter()
            .filter_map(|(id, record)| Expired::of(id, record, sale));
        Ok(expired.collect())
    }

    /// Publishes the expiries. If Kafka does not acknowledge them in time, they stay in the outbox.
    async fn publish(&self, sale: &Arc<Sale>, expired: &[Expired]) -> Result<(), Blocked> {
        let publications = expired.iter().map(|Expired { number, event }| {
            let entry = Some(OutboxEntry::of_one(*number));
            let message = PublishedEntry::message(sale, *number, entry, event.clone());
            self.publisher.publish(message, Wait::AtMost(PUBLISH_WAIT))
        });
        let publications = join_all(publications).await;
        match publications
            .iter()
            .all(|it| *it == Publication::Acknowledged)
        {
            true => Ok(()),
            false => Err(Blocked::Kafka),
        }
    }

    /// Returns the units of expired orders whose events Kafka has. The outbox acker may have been faster.
    async fn give_back(&self, sale: &Sale, expired: &[Expired]) -> Result<(), Blocked> {
        if expired.is_empty() {
            return Ok(());
        }
        let acked = expired
            .iter()
            .map(|it| AckedEvent::new(it.number, &it.event));
        let acked: Vec<_> = acked.collect();
        match self.store.ack_and_apply_all(&sale.keys, &acked).await {
            Ok(acked) if !acked.contains(&Acked::Lost) => Ok(()),
            Ok(_) => Err(Blocked::Redis),
            Err(error) => {
                tracing::debug!(sale.product = %sale.facts.product, %error, "cannot return units of expired orders");
                Err(Blocked::Redis)
            }
        }
    }
}

/// What became of the orders of a page.
struct Page {
    expired: usize,
    /// Those whose rows say that they are paid.
    paid: usize,
}

/// An expiry that waits in the outbox.
struct Expired {
    number: SequenceNumber,
    event: Event,
}

impl Expired {
    fn of(id: OrderId, record: OrderRecord, sale: &Sale) -> Option<Self> {
        let event = record.expired_event(id, &sale.facts.product)?;
        Some(Self {
            number: record.expiry?.number,
            event: Event::OrderCancelled(event),
        })
    }
}
