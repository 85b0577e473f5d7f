mod queue;

use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, RestockId, Total};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::{Acked, AckedEvent, Change, ChangeContext, ReservationStore, SaleView};
use fluxgate_log::Publication;

use super::published_entry::{ADMIN_PUBLISH_WAIT, publish_change};
use super::{ChangeError, Publisher, Sale, SaleCache, SaleLookupError, WrittenSales};
use crate::metrics::Metrics;

/// How long what counts already, a closing or a change of a queue, waits for Kafka.
const COUNTING_PUBLISH_WAIT: Duration = Duration::from_millis(500);
/// Entries that changes may add to an outbox beyond OUTBOX_MAX: orders that wait for Kafka must not keep a sale from being
/// closed.
const CHANGES_OUTBOX_MAX: u32 = 10_000;
/// The longest wait for refusal leases to expire. If Redis reports a longer time, its clock was set back.
const LEASE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Completes and cancels orders, restocks sales, closes them and changes their queues. Each change takes effect once, however often it is
/// repeated; a repeated call finishes a change that was interrupted.
pub struct SaleChanges {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    written: Arc<WrittenSales>,
    outbox_max: u32,
    metrics: Metrics,
}

/// An order whose completion is in Redis.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct NotedCompletion {
    pub product: ProductId,
    pub record: OrderRecord,
    /// Whether Kafka has the completion.
    pub publication: Publication,
}

impl SaleChanges {
    /// Changes sales in `store` and publishes the changes through `publisher`. `orders_outbox_max` is the limit of outbox
    /// entries for orders.
    pub fn new(
        store: ReservationStore,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        written: Arc<WrittenSales>,
        orders_outbox_max: u32,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            sales,
            publisher,
            written,
            outbox_max: orders_outbox_max.saturating_add(CHANGES_OUTBOX_MAX),
            metrics,
        }
    }

    /// Cancels an order. When this returns, its units can be sold again. `written` is the product of the order's row, if
    /// the ledger has one.
    ///
    /// # Errors
    /// If the order is not known to be cancelled.
    pub async fn cancel(
        &self,
        order_id: OrderId,
        by: CancelledBy,
        written: Option<&ProductId>,
    ) -> Result<(ProductId, OrderRecord), ChangeError> {
        let Some(order) = self.store.order(order_id).await? else {
            let product = written.ok_or(ChangeError::UnknownOrder)?;
            return Err(self.sales.why_missing(product).await.into());
        };
        let product = order.product;
        let sale = self.sales.find(&product).await?;
        let change = self.store.cancel(self.context(&sale), order_id, by);
        let (record, waiting) = self.recorded(change.await?, &sale).await?;
        let event = record.cancelled_event(order_id, &product);
        if let Some((event, cancel)) = event.zip(record.cancel) {
            sale.observe(cancel.number);
            if waiting {
                let event = Event::OrderCancelled(event);
                self.publish_and_apply(&sale, event, cancel.number).await?;
                tracing::info!(order.id = %order_id, "order cancelled");
            }
        }
        self.wait_until_sellable(&product).await?;
        Ok((product, record))
    }

    /// Notes that an order was paid; it cannot expire any more. Kafka may have the completion only later.
    ///
    /// # Errors
    /// If the completion is not known to be noted.
    pub async fn complete(
        &self,
        order_id: OrderId,
        wait: Duration,
    ) -> Result<NotedCompletion, ChangeError> {
        let order = self.store.order(order_id).await?;
        let product = order.ok_or(ChangeError::UnknownOrder)?.product;
        let sale = self.sales.find(&product).await?;
        if !sale.facts.has_holds {
            return Err(ChangeError::NoHold);
        }
        let change = self.store.complete(self.context(&sale), order_id);
        let (record, waiting) = self.recorded(change.await?, &sale).await?;
        let mut publication = Publication::Acknowledged;
        let event = record.completed_event(order_id, &product);
        if let Some((event, completion)) = event.zip(record.completion) {
            sale.observe(completion.number);
            if waiting {
                let event = Event::OrderCompleted(event);
                // It counts already; if Kafka does not acknowledge it, it stays in the outbox.
                publication = self.publish(&sale, event, completion.number, wait).await;
            }
        }
        Ok(NotedCompletion {
            product,
            record,
            publication,
        })
    }

    /// Adds units to a sale, once per key. When this returns, the units can be sold.
    ///
    /// # Errors
    /// If the units are not known to be added.
    pub async fn restock(
        &self,
        product: &ProductId,
        units: Total,
        key: &IdempotencyKey,
    ) -> Result<SaleView, ChangeError> {
        let id = RestockId::derive(product, key);
        let view = match self.restock_in_redis(product, units, id).await {
            Err(ChangeError::Sale(SaleLookupError::Over(view))) => view,
            other => return other,
        };
        let restocked = self.written.restock(&view.facts, id).await;
        match restocked.map_err(|_| SaleLookupError::Undecided)? {
            Some(earlier) if earlier == i64::from(units) => Ok(*view),
            Some(_) => Err(ChangeError::KeyReused),
            None => Err(ChangeError::Closed),
        }
    }

    async fn restock_in_redis(
        &self,
        product: &ProductId,
        units: Total,
        id: RestockId,
    ) -> Result<SaleView, ChangeError> {
        let sale = self.sales.find(product).await?;
        let change = self.store.restock(self.context(&sale), id, units);
        let (restock, waiting) = self.recorded(change.await?, &sale).await?;
        if restock.units != units {
            return Err(ChangeError::KeyReused);
        }
        sale.observe(restock.number);
        if waiting {
            let event = Event::SaleRestocked(restock.event(id, product));
            self.publish_and_apply(&sale, event, restock.number).await?;
            tracing::info!(sale.product = %product, sale.units = units.get(), "sale restocked");
        }
        self.wait_until_sellable(product).await
    }

    /// Closes a sale at once.
    ///
    /// # Errors
    /// If the sale is not known to be closed.
    pub async fn close(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        match self.close_in_redis(product).await {
            Err(ChangeError::Sale(SaleLookupError::Over(view))) => Ok(*view),
            other => other,
        }
    }

    async fn close_in_redis(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        let sale = self.sales.find(product).await?;
        let change = self.store.close_sale(self.context(&sale));
        let (closing, waiting) = self.recorded(change.await?, &sale).await?;
        sale.observe(closing.number);
        if waiting {
            let event = Event::SaleClosed(closing.event(product));
            // The closing counts already; if Kafka does not acknowledge it, it stays in the outbox.
            self.publish(&sale, event, closing.number, COUNTING_PUBLISH_WAIT)
                .await;
            tracing::info!(sale.product = %product, "sale closed");
        }
        self.view(product).await
    }

    fn context<'a>(&self, sale: &'a Sale) -> ChangeContext<'a> {
        ChangeContext {
            product: &sale.facts.product,
            keys: &sale.keys,
            high_water_mark: sale.high_water_mark(),
            outbox_max: self.outbox_max,
        }
    }

    /// A recorded change, and whether its entry is still in the outbox.
    async fn recorded<T>(&self, change: Change<T>, sale: &Sale) -> Result<(T, bool), ChangeError> {
        match change {
            Change::Noted { change, waiting } => Ok((change, waiting)),
            Change::Unknown => Err(self.sales.why_missing(&sale.facts.product).await.into()),
            Change::Rejected => Err(ChangeError::Rejected),
            Change::Expired => Err(ChangeError::Expired),
            Change::Cancelled => Err(ChangeError::Cancelled),
            Change::NotAllowed => Err(ChangeError::NotAllowed),
            Change::NotOpen => Err(ChangeError::NotOpen),
            Change::Closed => Err(ChangeError::Closed),
            Change::NoQueue => Err(ChangeError::NoQueue),
            Change::TooMany => Err(ChangeError::TooMany),
            Change::Behind | Change::Lost => Err(ChangeError::RedisBehind),
            Change::OutboxFull => {
                self.metrics.outbox_changes_full_total.inc();
                Err(ChangeError::OutboxFull)
            }
        }
    }

    /// Waits until no instance holds a refusal lease, so that every instance sells the returned units.
    async fn wait_until_sellable(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        let view = self.view(product).await?;
        let lease_left = view.sold_out_for();
        if !lease_left.is_zero() && lease_left <= LEASE_WAIT_MAX {
            tokio::time::sleep(lease_left).await;
        }
        Ok(view)
    }

    /// Publishes a change that makes room, then applies it: the ledger must see the room before an order uses it.
    async fn publish_and_apply(
        &self,
        sale: &Arc<Sale>,
        event: Event,
        entry: SequenceNumber,
    ) -> Result<(), ChangeError> {
        let acked = AckedEvent::new(entry, &event);
        match self.publish(sale, event, entry, ADMIN_PUBLISH_WAIT).await {
            Publication::Acknowledged => {
                match self.store.ack_and_apply(&sale.keys, acked).await? {
                    Acked::Applied => return Ok(()),
                    Acked::Lost => return Err(ChangeError::RedisBehind),
                    Acked::Gone => {}
                }
                // Either another instance applied the entry, or a rebuild removed it: events of an earlier epoch behind
                // its fence have no effect.
                let view = self.view(&sale.facts.product).await?;
                if view.number.epoch > entry.epoch {
                    return Err(ChangeError::RedisBehind);
                }
                Ok(())
            }
            Publication::Waiting => Err(ChangeError::NotPublished),
        }
    }

    async fn publish(
        &self,
        sale: &Arc<Sale>,
        event: Event,
        number: SequenceNumber,
        wait: Duration,
    ) -> Publication {
        publish_change(&self.publisher, sale, number, event, wait).await
    }

    async fn view(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        match self.store.sale(product).await? {
            Some(view) => Ok(view),
            None => Err(self.sales.why_missing(product).await.into()),
        }
    }
}
