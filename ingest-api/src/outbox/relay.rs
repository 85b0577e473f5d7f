use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{
    EventContent, GateError, IndexedSale, Lease, OUTBOX_PAGE_MAX, OutboxEvent, OutboxPage,
    ReservationStore, Retirement,
};
use fluxgate_log::{Publication, Wait};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::rotation::begin_after;
use super::summary::OutboxSummary;
use crate::config::OutboxSettings;
use crate::instance_lease::InstanceLease;
use crate::metrics::Metrics;
use crate::sales::{PublishedEntry, Publisher, Sale, SaleCache, SaleLookupError};

/// How long a pass waits for acknowledgements that do not come.
const PUBLISH_WAIT: Duration = Duration::from_secs(2);

/// Publishes entries that stay in the outbox because their instance died or Kafka was unavailable.
///
/// An entry that two passes of one instance have seen is published again, so no clock is needed to tell a stale entry from one
/// in flight. An entry that was only slow becomes a harmless duplicate.
pub struct OutboxRelay {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    settings: OutboxSettings,
    metrics: Metrics,
    lease: Arc<InstanceLease>,
    /// The highest number that this instance's previous pass saw, by sale. It may be long ago: numbers only grow.
    seen: HashMap<ProductId, SequenceNumber>,
    /// The first sale whose page was not acknowledged. The next pass begins after it: a sale that Kafka does not take must
    /// not block the others for good.
    unacknowledged: Option<ProductId>,
}

/// One pass over all sales.
struct Pass {
    summary: OutboxSummary,
    /// Partitions with a page that was not acknowledged: their other sales are only counted, because each would wait for
    /// Kafka in vain.
    unacknowledged: HashSet<i32>,
    /// What is left of [`PUBLISH_WAIT`]. Once nothing is left, all sales are only counted.
    wait_left: Duration,
    /// Redis did not answer about a sale, so the summary lacks it.
    is_incomplete: bool,
}

impl Pass {
    fn new() -> Self {
        Self {
            summary: OutboxSummary::default(),
            unacknowledged: HashSet::new(),
            wait_left: PUBLISH_WAIT,
            is_incomplete: false,
        }
    }

    /// Whether Kafka may take the entries of a partition.
    fn may_publish(&self, publisher: &Publisher, partition: i32) -> bool {
        !self.wait_left.is_zero()
            && !self.unacknowledged.contains(&partition)
            && !publisher.is_open(partition)
    }

    /// A page that waited since `begin` was not acknowledged.
    fn not_acknowledged(&mut self, partition: i32, begin: Instant) {
        self.unacknowledged.insert(partition);
        self.wait_left = self.wait_left.saturating_sub(begin.elapsed());
    }
}

impl OutboxRelay {
    /// A relay that has seen no entry yet.
    pub fn new(
        store: ReservationStore,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        settings: OutboxSettings,
        metrics: Metrics,
    ) -> Self {
        Self {
            lease: Arc::new(InstanceLease::new(store.clone(), Lease::OutboxRelay)),
            store,
            sales,
            publisher,
            settings,
            metrics,
            seen: HashMap::new(),
            unacknowledged: None,
        }
    }

    /// Makes passes until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(self.settings.outbox_relay_interval());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
            // A pass may be dropped at any point: all its steps are safe to repeat.
            let Some(passed) = shutdown.run_until_cancelled(self.pass()).await else {
                return;
            };
            if let Err(error) = passed {
                self.metrics.outbox_relay_failures_total.inc();
                OutboxSummary::show(None, &self.metrics);
                tracing::debug!(%error, "outbox relay pass failed; the next pass retries");
            }
        }
    }

    async fn pass(&mut self) -> Result<(), GateError> {
        let lease = Arc::clone(&self.lease);
        match lease.during(self.relay_all()).await? {
            Some(passed) => passed,
            None => {
                // Another instance is the relay leader.
                OutboxSummary::show(None, &self.metrics);
                Ok(())
            }
        }
    }

    async fn relay_all(&mut self) -> Result<(), GateError> {
        let mut pass = Pass::new();
        let mut sales = self.store.indexed().await?;
        let indexed: HashSet<_> = sales.iter().map(|it| &it.product).collect();
        self.seen.retain(|product, _| indexed.contains(product));
        begin_after(&mut sales, self.unacknowledged.take().as_ref());
        for indexed in sales {
            // A damaged sale must not block the others.
            if let Err(error) = self.relay_indexed(&indexed, &mut pass).await {
                self.metrics.outbox_relay_failures_total.inc();
                pass.is_incomplete |= !error.is_damage();
                tracing::warn!(sale.product = %indexed.product, %error, "outbox relay skipped a sale; the next pass retries it");
            }
        }
        let summary = (!pass.is_incomplete).then_some(&pass.summary);
        OutboxSummary::show(summary, &self.metrics);
        Ok(())
    }

    async fn relay_indexed(
        &mut self,
        indexed: &IndexedSale,
        pass: &mut Pass,
    ) -> Result<(), GateError> {
        match self.sales.find_in_redis(&indexed.product).await? {
            None => self.missing(indexed, pass).await,
            Some(sale) => match self.relay_sale(&sale, pass).await? {
                true => self.retire(&sale, indexed, pass).await,
                false => Ok(()),
            },
        }
    }

    /// Publishes the entries that the previous pass saw already; true if the sale is closed, or gone from Redis.
    async fn relay_sale(&mut self, sale: &Arc<Sale>, pass: &mut Pass) -> Result<bool, GateError> {
        let product = &sale.facts.product;
        let until = self.seen.get(product).copied().unwrap_or_default();
        let first = self
            .store
            .read_outbox(&sale.keys, None, until, OUTBOX_PAGE_MAX)
            .await?;
        let now = Timestamp::now();
        let facts = &sale.facts;
        let is_gone = first.state.is_empty();
        let is_closed =
            is_gone || first.state == "closed" || first.closes_at.is_some_and(|at| at <= now);
        let has_begun = first.opens_at.is_some_and(|at| at <= now);
        let is_open = first.state == "open" && has_begun && !is_closed;
        pass.summary.add(&first, is_open);
        if first.is_lost {
            tracing::error!(sale.product = %product,
                "Redis has lost a key of this sale; nothing of it is sold until it is rebuilt");
        }
        self.seen.insert(product.clone(), first.highest);

        let mut page = first;
        while let Some(last) = page.events.last().map(|event| event.number)
            && pass.may_publish(&self.publisher, facts.partition)
        {
            let begin = Instant::now();
            if !self.publish(sale, page, pass.wait_left).await? {
                pass.not_acknowledged(facts.partition, begin);
                self.unacknowledged.get_or_insert_with(|| product.clone());
                break;
            }
            page = self
                .store
                .read_outbox(&sale.keys, Some(last), until, OUTBOX_PAGE_MAX)
                .await?;
        }
        Ok(is_closed)
    }

    /// Publishes a page; false if Kafka did not acknowledge all of it.
    async fn publish(
        &self,
        sale: &Arc<Sale>,
        page: OutboxPage,
        wait: Duration,
    ) -> Result<bool, GateError> {
        let mut outgoing = Vec::with_capacity(page.events.len());
        for waiting in page.events {
            let event = self.event(sale, &waiting).await?;
            // Its effect may not be applicable, so it would be published again and again.
            let is_kept = |event: &Event| page.is_lost && event.makes_room();
            if let Some(event) = event.filter(|event| !is_kept(event)) {
                let (number, entry) = (waiting.number, Some(waiting.entry));
                outgoing.push(PublishedEntry::message(sale, number, entry, event));
            }
        }
        let publications = join_all(outgoing.into_iter().map(|outgoing| async {
            let publication = self.publisher.publish(outgoing, Wait::AtMost(wait)).await;
            publication == Publication::Acknowledged
        }))
        .await;
        let acknowledged = publications.iter().filter(|ok| **ok).count();
        self.metrics
            .outbox_republished_total
            .inc_by(acknowledged as u64);
        Ok(acknowledged == publications.len())
    }

    async fn event(&self, sale: &Sale, waiting: &OutboxEvent) -> Result<Option<Event>, GateError> {
        let product = &sale.facts.product;
        Ok(match &waiting.content {
            EventContent::Opening => {
                let view = self.store.sale(product).await?;
                view.map(|view| Event::SaleOpened(view.opened_event().into()))
            }
            EventContent::Unreadable => {
                self.metrics.outbox_unreadable_total.inc();
                tracing::error!(sale.product = %product, outbox.number = %waiting.number,
                    order.id = waiting.order_id.map(tracing::field::display),
                    "Redis has lost the record of an event in the outbox; the event cannot be published");
                None
            }
            _ => waiting.event(product),
        })
    }

    /// Lets the keys of a closed sale expire, and removes the sale from the index.
    async fn retire(
        &mut self,
        sale: &Sale,
        indexed: &IndexedSale,
        pass: &mut Pass,
    ) -> Result<(), GateError> {
        let ttl = self.settings.record_ttl();
        match self.store.retire(&sale.keys, ttl).await? {
            Retirement::Retired(number) => {
                self.store.unindex(indexed, number).await?;
                self.seen.remove(&indexed.product);
                tracing::info!(sale.product = %indexed.product, "sale retired");
                Ok(())
            }
            Retirement::NotYet => Ok(()),
            Retirement::Gone => self.missing(indexed, pass).await,
        }
    }

    /// Removes a sale that Redis does not have from the index, if it is over: then it takes no change any more. Counts one
    /// that Redis has lost. Another one is about to be opened.
    async fn missing(&mut self, indexed: &IndexedSale, pass: &mut Pass) -> Result<(), GateError> {
        match self.sales.why_missing(&indexed.product).await {
            SaleLookupError::Over(_) => {
                self.store.unindex(indexed, u32::MAX).await?;
                self.seen.remove(&indexed.product);
            }
            SaleLookupError::Lost => pass.summary.add_lost(),
            _ => {}
        }
        Ok(())
    }
}
