use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, UserId};
use fluxgate_service::crash_points::crash_point;
use fluxgate_service::traces::set_attribute;

use super::{ActiveBuyers, OrderStatusReader, Refusal, ReservationBatcher};
use crate::boot_instant::BootInstant;
use crate::metrics::{Counters, Metrics};
use crate::publisher::{Outgoing, Publication, Publisher};
use crate::sales::{Sale, SaleCache, SaleLookupError};
use crate::sold_out::RefusalCache;
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::{LossContinuation, Reservation, ReservationRequest};
use fluxgate_service::settings::OnRedisLoss;

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
pub struct PlaceOrder {
    refusals: RefusalCache,
    batcher: ReservationBatcher,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    statuses: OrderStatusReader,
    /// How long an answer waits for Kafka.
    publish_wait: Duration,
    on_redis_loss: OnRedisLoss,
    buyers: ActiveBuyers,
    outcomes: Counters<&'static str>,
    metrics: Metrics,
}

/// An order may try again once: when Redis disagrees with what this copy remembers of its sale.
const LOOKUPS_MAX: usize = 2;

impl PlaceOrder {
    /// A place_order whose orders pass through `turnstile`, unless the `doorman` turns them away.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn new(
        refusals: RefusalCache,
        batcher: ReservationBatcher,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        statuses: OrderStatusReader,
        publish_wait: Duration,
        on_redis_loss: OnRedisLoss,
        buyers: ActiveBuyers,
        metrics: Metrics,
    ) -> Self {
        Self {
            refusals,
            batcher,
            sales,
            publisher,
            statuses,
            publish_wait,
            on_redis_loss,
            buyers,
            outcomes: Counters::new({
                let orders = metrics.orders_total.clone();
                move |outcome| orders.with_label_values(&[outcome])
            }),
            metrics,
        }
    }

    /// Takes an order, or finds the one that was taken for the same product, user and key before.
    ///
    /// # Errors
    /// When it was not taken, or when nobody can tell ([`Refusal::ReservationStore`]).
    pub async fn place(&self, order: &Order) -> Result<Placed, Refusal> {
        self.buyers.observe(&order.user);
        let placed = self.try_place(order).await;
        if matches!(placed, Err(Refusal::RedisBehind)) {
            self.metrics.redis_lost_writes_total.inc();
        }
        let outcome = match &placed {
            Ok(placed) if placed.replayed => "replayed",
            Ok(placed) => placed.status.as_str(),
            Err(refusal) => refusal.code(),
        };
        self.outcomes.inc(outcome);
        placed
    }

    /// What is rare and large lies in boxes: an order's future is moved several times on its way into
    /// actix, and all of it each time.
    async fn try_place(&self, order: &Order) -> Result<Placed, Refusal> {
        for _ in 0..LOOKUPS_MAX {
            let sale = self.sales.find(&order.product).await?;
            let order_id = sale.order_id(&order.user, &order.key);
            if let Some(refusal) = self.refusals.refuse(&sale, order_id) {
                return Err(refusal);
            }
            let asked = BootInstant::now();
            let request = ReservationRequest {
                order_id,
                user: order.user.clone(),
                quantity: order.quantity,
            };
            set_attribute("order.id", || order_id.to_string());
            let reserved = self.batcher.reserve(&sale, request).await;
            return match reserved.map_err(|error| Refusal::Unanswered { order_id, error })? {
                Reservation::Reserved(record) => {
                    sale.observe(record.number);
                    crash_point("after_reserve");
                    let status = self.publish(&sale, order_id, &record).await;
                    Ok(placed(order_id, status, false))
                }
                Reservation::Known { record, waiting } => {
                    sale.observe(record.number);
                    Box::pin(self.replay(&sale, order_id, order, &record, waiting)).await
                }
                Reservation::Unknown | Reservation::Moved => {
                    self.sales.forget(&order.product);
                    continue;
                }
                Reservation::Behind if Box::pin(self.continues_after_loss(&sale)).await? => {
                    continue;
                }
                refused => {
                    let refusal = self.refusal(&refused);
                    self.refusals.observe(&sale, &refusal, asked);
                    Err(refusal)
                }
            };
        }
        Err(Box::pin(self.why_absent(&order.product)).await)
    }

    /// Why Redis does not agree with what this copy remembers of a sale.
    async fn why_absent(&self, product: &ProductId) -> Refusal {
        match self.sales.lookup_error(product).await {
            SaleLookupError::Unknown => match self.sales.find_in_redis(product).await {
                // Redis has it by now, or never had it whole.
                Ok(Some(_)) => Refusal::RedisBehind,
                Ok(None) => SaleLookupError::Unknown.into(),
                Err(error) => error.into(),
            },
            absence => absence.into(),
        }
    }

    /// Whether the sale sells although Redis has lost acknowledged writes.
    async fn continues_after_loss(&self, sale: &Sale) -> Result<bool, Refusal> {
        if self.on_redis_loss == OnRedisLoss::Stop {
            return Ok(false);
        }
        let continuation = self.batcher.continue_after_loss(sale).await?;
        if continuation == LossContinuation::Began {
            self.metrics.redis_loss_continued_total.inc();
            tracing::error!(sale.product = %sale.facts.product,
                "Redis has lost acknowledged writes; the sale goes on, and the ledger rejects what is too much");
        }
        Ok(continuation != LossContinuation::Refused)
    }

    /// Answers a retry with the order it repeats. If the order still waits in the outbox, this call
    /// publishes it too: its first handler may be dead.
    async fn replay(
        &self,
        sale: &Arc<Sale>,
        order_id: OrderId,
        order: &Order,
        record: &OrderRecord,
        waiting: bool,
    ) -> Result<Placed, Refusal> {
        if record.quantity != order.quantity {
            return Err(Refusal::KeyReused);
        }
        let status = if record.rejected {
            OrderStatus::Rejected
        } else if record.cancel.is_some() {
            // Whether its units have come back decides; rare enough for a look of its own.
            match self.statuses.find(order_id).await {
                Ok(order) => order.status,
                Err(_) => OrderStatus::Accepted,
            }
        } else if waiting {
            self.publish(sale, order_id, record).await
        } else {
            self.statuses
                .at_least_accepted(order_id, record.number)
                .await
        };
        Ok(placed(order_id, status, true))
    }

    async fn publish(
        &self,
        sale: &Arc<Sale>,
        order_id: OrderId,
        record: &OrderRecord,
    ) -> OrderStatus {
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
            Reservation::Behind
            | Reservation::Unknown
            | Reservation::Moved
            | Reservation::Reserved(_)
            | Reservation::Known { .. } => Refusal::RedisBehind,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_future_of_an_order_is_small() {
        fn size<A, R>(_: impl FnOnce(A) -> R) -> usize {
            size_of::<R>()
        }
        let size = size(
            |(place_order, order): (&'static PlaceOrder, &'static Order)| place_order.place(order),
        );
        assert!(size <= 1_024, "{size} bytes");
    }
}
