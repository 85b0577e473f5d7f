use std::sync::Arc;
use std::time::Duration;

use fluxgate_core::events::Event;
use fluxgate_core::ids::{IdempotencyKey, OrderId, ProductId, Quantity, UserId};

use super::{OrderStatus, Refusal, Statuses, Turnstile};
use crate::metrics::Metrics;
use crate::publisher::{Outgoing, Publication, Publisher};
use crate::sales::{Catalog, Sale};
use crate::stock::{Ask, Record, Reservation};

/// What a buyer asks for.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Order {
    pub product: ProductId,
    pub user: UserId,
    pub quantity: Quantity,
    pub key: IdempotencyKey,
}

/// An order that was taken, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its derived id.
    pub order_id: OrderId,
    /// How far it has come.
    pub status: OrderStatus,
    /// Whether it had been taken before this call.
    pub replayed: bool,
}

/// Takes orders: reserve in Redis, publish to Kafka, answer. Each HTTP thread has its own.
pub struct Desk {
    turnstile: Turnstile,
    catalog: Arc<Catalog>,
    publisher: Publisher,
    statuses: Statuses,
    /// How long an answer waits for Kafka.
    publish_wait: Duration,
    metrics: Metrics,
}

/// A sale may be found anew once: when Redis disagrees with what this copy remembers of it.
const LOOKUPS_MAX: usize = 2;

impl Desk {
    /// A desk whose orders pass through `turnstile`.
    pub fn new(
        turnstile: Turnstile,
        catalog: Arc<Catalog>,
        publisher: Publisher,
        statuses: Statuses,
        publish_wait: Duration,
        metrics: Metrics,
    ) -> Self {
        Self {
            turnstile,
            catalog,
            publisher,
            statuses,
            publish_wait,
            metrics,
        }
    }

    /// Takes an order, or finds the one that was taken for the same product, user and key before.
    ///
    /// # Errors
    /// When it was not taken, or when nobody can tell ([`Refusal::Stock`]).
    pub async fn place(&self, order: &Order) -> Result<Placed, Refusal> {
        let placed = self.try_place(order).await;
        let outcome = match &placed {
            Ok(placed) if placed.replayed => "replayed",
            Ok(placed) => placed.status.as_str(),
            Err(refusal) => refusal.code(),
        };
        self.metrics
            .orders_total
            .with_label_values(&[outcome])
            .inc();
        placed
    }

    async fn try_place(&self, order: &Order) -> Result<Placed, Refusal> {
        for _ in 0..LOOKUPS_MAX {
            let sale = self.catalog.find(&order.product).await?;
            let order_id = sale.order_id(&order.user, &order.key);
            let ask = Ask {
                order_id,
                user: order.user.clone(),
                quantity: order.quantity,
            };
            return match self.turnstile.pass(&sale, ask).await? {
                Reservation::Reserved(record) => {
                    sale.saw(record.number);
                    let status = self.publish(&sale, order_id, &record).await;
                    Ok(placed(order_id, status, false))
                }
                Reservation::Known { record, waiting } => {
                    sale.saw(record.number);
                    self.replay(&sale, order_id, order, &record, waiting).await
                }
                Reservation::Unknown | Reservation::Moved => {
                    self.catalog.forget(&order.product);
                    continue;
                }
                refused => Err(self.refusal(&refused)),
            };
        }
        Err(self.catalog.absence(&order.product).await.into())
    }

    /// Answers a retry with the order it repeats. If the order still waits in the outbox, this call
    /// publishes it too: its first handler may be dead.
    async fn replay(
        &self,
        sale: &Arc<Sale>,
        order_id: OrderId,
        order: &Order,
        record: &Record,
        waiting: bool,
    ) -> Result<Placed, Refusal> {
        if record.quantity != order.quantity {
            return Err(Refusal::KeyReused);
        }
        let status = if record.cancel.is_some() {
            // Whether its units have come back decides; rare enough for a look of its own.
            match self.statuses.find(order_id).await {
                Ok(order) => order.status,
                Err(_) => OrderStatus::Accepted,
            }
        } else if waiting {
            self.publish(sale, order_id, record).await
        } else {
            self.statuses.at_least_accepted(order_id).await
        };
        Ok(placed(order_id, status, true))
    }

    async fn publish(&self, sale: &Arc<Sale>, order_id: OrderId, record: &Record) -> OrderStatus {
        let outgoing = Outgoing {
            event: Event::OrderReserved(record.event(order_id, &sale.facts.product)),
            entry: record.number,
            sale: Arc::clone(sale),
        };
        tracing::debug!(order.id = %order_id, order.number = %record.number, "order reserved");
        match self.publisher.publish(outgoing, self.publish_wait).await {
            Publication::Acknowledged => OrderStatus::Accepted,
            Publication::Waiting => OrderStatus::Reserved,
        }
    }

    fn refusal(&self, reservation: &Reservation) -> Refusal {
        match *reservation {
            Reservation::SoldOut => Refusal::SoldOut,
            Reservation::Insufficient => Refusal::Insufficient,
            Reservation::UserLimit => Refusal::UserLimit,
            Reservation::NotOpen { opens_in_ms } => Refusal::NotOpen { opens_in_ms },
            Reservation::Closed => Refusal::Closed,
            Reservation::OutboxFull => {
                self.metrics.outbox_full_total.inc();
                Refusal::OutboxFull
            }
            Reservation::Lost
            | Reservation::Unknown
            | Reservation::Moved
            | Reservation::Reserved(_)
            | Reservation::Known { .. } => {
                self.metrics.redis_lost_writes_total.inc();
                Refusal::Lost
            }
        }
    }
}

fn placed(order_id: OrderId, status: OrderStatus, replayed: bool) -> Placed {
    Placed {
        order_id,
        status,
        replayed,
    }
}
