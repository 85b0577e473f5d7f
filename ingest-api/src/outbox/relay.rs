use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::ProductId;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::summary::OutboxSummary;
use crate::config::OutboxSettings;
use crate::metrics::Metrics;
use crate::publisher::{Outgoing, Publication, Publisher};
use crate::sales::{Sale, SaleCache};
use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{EntryContent, GateError, OutboxEntry, OutboxPage, ReservationStore};

/// Entries published again at once; the next page waits for this one.
const PAGE_MAX: u32 = 500;
/// How long a page waits for Kafka before nothing more is published until the next sweep: less than the
/// lease, so that a copy does not lose it while Kafka is away.
const PUBLISH_WAIT: Duration = Duration::from_secs(2);
/// How long a copy that stops leaves the sweeping undone, at most, before another takes over.
const LEASE: Duration = Duration::from_secs(3);

/// Publishes what stays in the outbox, because the copy that reserved it died or Kafka was away.
///
/// It takes no clock to tell a stranded entry from one on its way: an entry that two sweeps in a
/// row saw is published again. One that was merely slow becomes a harmless duplicate.
pub struct OutboxRelay {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    settings: OutboxSettings,
    metrics: Metrics,
    /// Names this copy in the lease.
    instance: String,
    /// Per sale, the highest number that the sweep before this one saw.
    seen: HashMap<ProductId, SequenceNumber>,
    /// The sale whose page was not acknowledged: the next sweep begins behind it, so that one that Kafka does not take
    /// keeps no other waiting for ever.
    given_up_at: Option<ProductId>,
}

/// One sweep of all sales.
#[derive(Default)]
struct Sweep {
    survey: OutboxSummary,
    /// A page was not acknowledged: the sales after it are only looked at, not each waited for.
    kafka_is_away: bool,
}

impl OutboxRelay {
    /// A relay that has seen nothing yet.
    pub fn new(
        store: ReservationStore,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        settings: OutboxSettings,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            sales,
            publisher,
            settings,
            metrics,
            instance: uuid::Uuid::new_v4().to_string(),
            seen: HashMap::new(),
            given_up_at: None,
        }
    }

    /// Sweeps until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(self.settings.outbox_relay_interval());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
            }
            // A sweep may be dropped at any point: all it does is safe to do again.
            let swept = tokio::select! {
                () = shutdown.cancelled() => return,
                swept = self.sweep() => swept,
            };
            if let Err(error) = swept {
                self.metrics.outbox_relay_failures_total.inc();
                tracing::debug!(%error, "the sweep was given up");
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), GateError> {
        if !self.store.take_relay_lease(&self.instance, LEASE).await? {
            OutboxSummary::default().show(&self.metrics, Timestamp::now());
            self.seen.clear();
            return Ok(());
        }
        let mut sweep = Sweep::default();
        let mut products = self.store.indexed().await?;
        begin_behind(&mut products, self.given_up_at.take().as_ref());
        for product in products {
            // One damaged sale must not keep the others from being swept.
            if let Err(error) = self.sweep_product(&product, &mut sweep).await {
                self.metrics.outbox_relay_failures_total.inc();
                tracing::warn!(sale.product = %product, %error, "a sale could not be swept");
            }
        }
        sweep.survey.show(&self.metrics, Timestamp::now());
        Ok(())
    }

    async fn sweep_product(
        &mut self,
        product: &ProductId,
        sweep: &mut Sweep,
    ) -> Result<(), GateError> {
        if let Some(sale) = self.sales.find_in_redis(product).await?
            && self.sweep_sale(&sale, sweep).await?
        {
            self.retire(&sale).await?;
        }
        Ok(())
    }

    /// Publishes what the sweep before saw already; true when the sale is over.
    async fn sweep_sale(&mut self, sale: &Arc<Sale>, sweep: &mut Sweep) -> Result<bool, GateError> {
        let product = &sale.facts.product;
        let until = self.seen.get(product).copied().unwrap_or_default();
        let first = self
            .store
            .read_outbox(&sale.keys, None, until, PAGE_MAX)
            .await?;
        let now = Timestamp::now();
        let facts = &sale.facts;
        let over = first.state == "closed" || facts.closes_at.is_some_and(|at| at <= now);
        let is_open = first.state == "open" && facts.opens_at <= now && !over;
        sweep.survey.add(&first, is_open);
        self.seen.insert(product.clone(), first.highest);

        let mut page = first;
        while let Some(last) = page.entries.last().map(|entry| entry.number)
            && !sweep.kafka_is_away
        {
            if !self.publish(sale, page).await? {
                sweep.kafka_is_away = true;
                self.given_up_at = Some(product.clone());
                break;
            }
            page = self
                .store
                .read_outbox(&sale.keys, Some(last), until, PAGE_MAX)
                .await?;
        }
        Ok(over)
    }

    /// Publishes a page; false when Kafka did not take all of it.
    async fn publish(&self, sale: &Arc<Sale>, page: OutboxPage) -> Result<bool, GateError> {
        let mut outgoing = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            if let Some(event) = self.event(sale, &entry).await? {
                outgoing.push(Outgoing {
                    event,
                    entry: entry.number,
                    sale: Arc::clone(sale),
                });
            }
        }
        let publications = join_all(outgoing.into_iter().map(|outgoing| async {
            let publication = self.publisher.publish(outgoing, PUBLISH_WAIT).await;
            publication == Publication::Acknowledged
        }))
        .await;
        let acknowledged = publications.iter().filter(|ok| **ok).count();
        self.metrics
            .outbox_republished_total
            .inc_by(acknowledged as u64);
        Ok(acknowledged == publications.len())
    }

    async fn event(&self, sale: &Sale, entry: &OutboxEntry) -> Result<Option<Event>, GateError> {
        let product = &sale.facts.product;
        Ok(match &entry.content {
            EntryContent::Order(order_id, record) => {
                Some(Event::OrderReserved(record.event(*order_id, product)))
            }
            EntryContent::Opening => {
                let view = self.store.sale(product).await?;
                view.map(|view| Event::SaleOpened(view.opened_event()))
            }
            EntryContent::Cancel(order_id, record) => record
                .cancelled_event(*order_id, product)
                .map(Event::OrderCancelled),
            EntryContent::Restock(id, restock) => {
                Some(Event::SaleRestocked(restock.event(*id, product)))
            }
            EntryContent::Closing(closing) => Some(Event::SaleClosed(closing.event(product))),
            EntryContent::Unreadable => {
                self.metrics.outbox_unreadable_total.inc();
                tracing::error!(sale.product = %product, outbox.entry = %entry.number,
                    order.id = entry.order_id.map(tracing::field::display),
                    "Redis has lost the record of an accepted order");
                None
            }
        })
    }

    /// Lets the keys of a closed sale expire, and takes it out of the index.
    async fn retire(&mut self, sale: &Sale) -> Result<(), GateError> {
        let keep = self.settings.record_ttl();
        if self.store.retire(&sale.keys, keep).await? {
            let product = &sale.facts.product;
            self.store.unindex(product).await?;
            self.seen.remove(product);
            tracing::info!(sale.product = %product, "sale retired");
        }
        Ok(())
    }
}

/// Turns the sales so that those behind `last` come first, and it comes last.
fn begin_behind(products: &mut [ProductId], last: Option<&ProductId>) {
    if let Some(at) = products.iter().position(|product| Some(product) == last) {
        products.rotate_left(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_begins_behind_the_sale_where_the_one_before_gave_up() {
        let ids = |text: &str| -> Vec<ProductId> {
            text.chars()
                .map(|id| ProductId::parse(&id.to_string()).unwrap())
                .collect()
        };
        let begun_behind = |last: Option<&str>| {
            let mut products = ids("abcd");
            begin_behind(&mut products, last.map(|id| ids(id).remove(0)).as_ref());
            products
        };
        assert_eq!(begun_behind(None), ids("abcd"));
        assert_eq!(begun_behind(Some("b")), ids("cdab"));
        assert_eq!(begun_behind(Some("d")), ids("abcd"));
        assert_eq!(begun_behind(Some("x")), ids("abcd"));
    }
}
