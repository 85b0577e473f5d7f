use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, RestockId, Total};

use super::{Sale, SaleCache, SaleLookupError};
use crate::publisher::{Outgoing, Publication, Publisher};
use fluxgate_domain::SequenceNumber;
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::{Change, GateError, ReservationStore, SaleView};

/// How long a change that makes room waits for Kafka.
const PUBLISH_WAIT: Duration = Duration::from_secs(8);
/// The longest that units which have come back are not sold because a copy may say from memory that
/// there are none; longer, and Redis's clock was set back.
const SIGN_MAX: Duration = Duration::from_secs(2);
/// How long a change that takes room does: it counts already.
const NOTICE_WAIT: Duration = Duration::from_millis(500);

/// SaleChanges sales and orders after the fact: gives units back, adds units, ends a sale. Each counts
/// once, whatever is retried; whoever repeats an unfinished one finishes it.
pub struct SaleChanges {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No store knows the order.
    #[error("there is no such order")]
    UnknownOrder,
    /// The order never got its units.
    #[error("it holds no units that could be given back")]
    Rejected,
    /// There is no sale to change.
    #[error(transparent)]
    Absent(#[from] SaleLookupError),
    /// The sale's opening is not on Kafka yet.
    #[error("the sale is not open yet")]
    NotOpen,
    /// The sale is over.
    #[error("the sale is over")]
    Closed,
    /// The sale would have more units than a sale may have.
    #[error("a sale may have at most {} units", Total::MAX.get())]
    TooMany,
    /// The same key restocked the sale by another quantity.
    #[error("this key was used before for another quantity")]
    KeyReused,
    /// Redis has lost acknowledged writes.
    #[error("the sale's data in Redis is not complete")]
    RedisBehind,
    /// Kafka has not acknowledged it. It stands: a repeat or the relay finishes it.
    #[error("Kafka has not acknowledged it yet")]
    NotPublished,
    /// Redis gave no usable answer; the change may have been noted all the same.
    #[error(transparent)]
    ReservationStore(#[from] GateError),
}

impl ChangeError {
    /// Whether Redis answered, and does not have what was to be changed.
    pub fn is_about_what_redis_has(&self) -> bool {
        match self {
            Self::UnknownOrder | Self::RedisBehind => true,
            Self::Absent(absence) => !matches!(absence, SaleLookupError::ReservationStore(_)),
            _ => false,
        }
    }
}

impl SaleChanges {
    /// SaleChanges what is in `stock`, and announces it through `publisher`.
    pub fn new(store: ReservationStore, sales: Arc<SaleCache>, publisher: Publisher) -> Self {
        Self {
            store,
            sales,
            publisher,
        }
    }

    /// Cancels an order: its units can be sold again once this returns. `written` is the product of
    /// its row, if it has one.
    ///
    /// # Errors
    /// When it is not cancelled, or nobody can tell.
    pub async fn cancel(
        &self,
        order_id: OrderId,
        written: Option<&ProductId>,
    ) -> Result<(ProductId, OrderRecord), ChangeError> {
        let Some(kept) = self.store.order(order_id).await? else {
            let product = written.ok_or(ChangeError::UnknownOrder)?;
            // Over and forgotten, or lost.
            self.sales.find(product).await?;
            return Err(ChangeError::RedisBehind);
        };
        let product = kept.product;
        let sale = self.sales.find(&product).await?;
        let asked = self
            .store
            .cancel(&sale.keys, order_id, sale.high_water_mark());
        let (record, waiting) = noted(asked.await?, ChangeError::UnknownOrder)?;
        let event = record.cancelled_event(order_id, &product);
        if let Some((event, cancel)) = event.zip(record.cancel) {
            sale.observe(cancel.number);
            if waiting {
                let event = Event::OrderCancelled(event);
                self.make_room(&sale, event, cancel.number).await?;
                tracing::info!(order.id = %order_id, "order cancelled");
            }
        }
        self.sellable(&product).await?;
        Ok((product, record))
    }

    /// Adds units to a sale, once per key: they can be sold once this returns.
    ///
    /// # Errors
    /// When they are not added, or nobody can tell.
    pub async fn restock(
        &self,
        product: &ProductId,
        units: Total,
        key: &IdempotencyKey,
    ) -> Result<SaleView, ChangeError> {
        let sale = self.sales.find(product).await?;
        let id = RestockId::derive(product, key);
        let asked = self
            .store
            .restock(&sale.keys, id, units, sale.high_water_mark());
        let (restock, waiting) = noted(asked.await?, ChangeError::RedisBehind)?;
        if restock.units != units {
            return Err(ChangeError::KeyReused);
        }
        sale.observe(restock.number);
        if waiting {
            let event = Event::SaleRestocked(restock.event(id, product));
            self.make_room(&sale, event, restock.number).await?;
            tracing::info!(sale.product = %product, sale.units = units.get(), "sale restocked");
        }
        self.sellable(product).await
    }

    /// Waits until what has come back is sold on every copy.
    ///
    /// # Errors
    /// When Redis gave no usable answer, or has no such sale.
    pub async fn sellable(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        let view = self.view(product).await?;
        let hidden = view.sold_out_for();
        if !hidden.is_zero() && hidden <= SIGN_MAX {
            tokio::time::sleep(hidden).await;
        }
        Ok(view)
    }

    /// Ends a sale at once.
    ///
    /// # Errors
    /// When it is not closed, or nobody can tell.
    pub async fn close(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        let sale = self.sales.find(product).await?;
        let asked = self.store.close_sale(&sale.keys, sale.high_water_mark());
        let (closing, waiting) = noted(asked.await?, ChangeError::RedisBehind)?;
        sale.observe(closing.number);
        if waiting {
            let event = Event::SaleClosed(closing.event(product));
            // It counts already; unpublished, it waits in the outbox.
            self.publish(&sale, event, closing.number, NOTICE_WAIT)
                .await;
            tracing::info!(sale.product = %product, "sale closed");
        }
        self.view(product).await
    }

    /// What makes room is on Kafka before it counts.
    async fn make_room(
        &self,
        sale: &Arc<Sale>,
        event: Event,
        entry: SequenceNumber,
    ) -> Result<(), ChangeError> {
        match self.publish(sale, event, entry, PUBLISH_WAIT).await {
            Publication::Acknowledged => {
                if self.store.ack_and_apply(&sale.keys, entry).await? {
                    return Ok(());
                }
                // Somebody else was faster; or a rebuild came between, behind whose fence this
                // change is not taken. A repeat tells.
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
        entry: SequenceNumber,
        wait: Duration,
    ) -> Publication {
        let sale = Arc::clone(sale);
        let outgoing = Outgoing { event, entry, sale };
        self.publisher.publish(outgoing, wait).await
    }

    async fn view(&self, product: &ProductId) -> Result<SaleView, ChangeError> {
        self.store
            .sale(product)
            .await?
            .ok_or(ChangeError::RedisBehind)
    }
}

/// The change and whether it waits in the outbox; `unknown` is what it means that Redis knows
/// nothing to change.
fn noted<T>(change: Change<T>, unknown: ChangeError) -> Result<(T, bool), ChangeError> {
    match change {
        Change::Noted { change, waiting } => Ok((change, waiting)),
        Change::Unknown => Err(unknown),
        Change::Rejected => Err(ChangeError::Rejected),
        Change::NotOpen => Err(ChangeError::NotOpen),
        Change::Closed => Err(ChangeError::Closed),
        Change::TooMany => Err(ChangeError::TooMany),
        Change::Behind => Err(ChangeError::RedisBehind),
    }
}
