mod replay;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, UserId};
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::{OutboxEntry, Quotas, Reservation, ReservationRequest};
use fluxgate_log::{Publication, Wait};
use fluxgate_service::crash_points::crash_point;
use fluxgate_service::traces::set_attribute;
use jiff::Timestamp;

use super::{ActiveBuyers, OrderStatusReader, Refusal, ReservationBatcher, ReserveError};
use crate::boot_instant::BootInstant;
use crate::metrics::{Counters, Metrics};
use crate::queue::Queues;
use crate::sales::{LossPolicy, PublishedEntry, Publisher, Sale, SaleCache, WrittenSales};
use crate::sold_out::{RefusalCache, RefusalReason};

/// An order that a buyer wants to place.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Order {
    pub product: ProductId,
    pub user: UserId,
    pub quantity: Quantity,
    pub key: IdempotencyKey,
    pub pass: QueuePass,
}

/// What lets an order past the queue of its sale, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueuePass {
    /// Nothing.
    None,
    /// The text of a ticket.
    Ticket(Box<str>),
    /// The order comes from an admin call.
    Admin,
}

/// A placed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The derived id.
    pub order_id: OrderId,
    /// How far the order has come.
    pub status: OrderStatus,
    /// Whether an earlier call placed it.
    pub replayed: bool,
    /// Until when it has to be paid, in a sale with holds, if it still has to be.
    pub expires_at: Option<Timestamp>,
}

/// What became of a request to place an order.
#[derive(Debug)]
pub struct Placement {
    /// The placed order, or why none was placed. An order may have been placed nevertheless after [`Refusal::Unanswered`] and
    /// [`Refusal::Gate`].
    pub outcome: Result<Placed, Refusal>,
    /// What is left of the limits of the sale's rate, if it has some and Redis was asked.
    pub quotas: Option<Box<Quotas>>,
}

/// The use case behind `POST /orders`: reserve units in Redis, publish to Kafka, answer. Each HTTP thread has its own.
pub struct PlaceOrder {
    refusals: RefusalCache,
    batcher: ReservationBatcher,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    statuses: Arc<OrderStatusReader>,
    written: Arc<WrittenSales>,
    /// How long an order waits for Kafka.
    publish_wait: Duration,
    losses: LossPolicy,
    buyers: ActiveBuyers,
    queues: Arc<Queues>,
    outcomes: Counters<&'static str>,
    metrics: Metrics,
}

/// Lookups of a sale per order. The second one happens if Redis disagrees with what this instance remembers of the sale.
const LOOKUPS_MAX: usize = 2;

impl PlaceOrder {
    /// The use case for one HTTP thread: `refusals` answers from memory, `batcher` calls Redis.
    #[expect(clippy::too_many_arguments, reason = "independent parts")]
    pub fn new(
        refusals: RefusalCache,
        batcher: ReservationBatcher,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        statuses: Arc<OrderStatusReader>,
        written: Arc<WrittenSales>,
        publish_wait: Duration,
        losses: LossPolicy,
        buyers: ActiveBuyers,
        queues: Arc<Queues>,
        metrics: Metrics,
    ) -> Self {
        Self {
            refusals,
            batcher,
            sales,
            publisher,
            statuses,
            written,
            publish_wait,
            losses,
            buyers,
            queues,
            outcomes: Counters::new({
                let orders = metrics.orders_total.clone();
                move |outcome| orders.with_label_values(&[outcome])
            }),
            metrics,
        }
    }

    /// Places an order, or finds the one that the same product, user and key placed before.
    pub async fn place(&self, order: &Order) -> Placement {
        self.buyers.observe(&order.user);
        let mut quotas = None;
        let placed = self.try_place(order, &mut quotas).await;
        if matches!(placed, Err(Refusal::RedisBehind)) {
            self.metrics.redis_lost_writes_total.inc();
        }
        let outcome = match &placed {
            Ok(placed) if placed.replayed => "replayed",
            Ok(placed) => placed.status.as_str(),
            Err(refusal) => refusal.code(),
        };
        self.outcomes.inc(outcome);
        Placement {
            outcome: placed,
            quotas,
        }
    }

    /// Boxed calls: rare, large futures would enlarge this one, which is moved several times on its way into actix.
    async fn try_place(
        &self,
        order: &Order,
        quotas: &mut Option<Box<Quotas>>,
    ) -> Result<Placed, Refusal> {
        for _ in 0..LOOKUPS_MAX {
            let sale = match self.sales.find(&order.product).await {
                Ok(sale) => sale,
                Err(error) => return Box::pin(self.without_redis(order, error)).await,
            };
            let order_id = sale.order_id(&order.user, &order.key);
            if let Some(reason) = self.refusals.refuse(&sale.refusals, order_id) {
                return Err(reason.into());
            }
            let sent_at = BootInstant::now();
            let request = ReservationRequest {
                order_id,
                user: order.user.clone(),
                quantity: order.quantity,
            };
            set_attribute("order.id", || order_id.to_string());
            if sale.facts.has_queue
                && let Some(placed) = Box::pin(self.outside_turn(&sale, order_id, order)).await?
            {
                return Ok(placed);
            }
            let answer = self.batcher.reserve(&sale, request).await;
            let answer = answer.map_err(|error| match error {
                ReserveError::QueueFull => Refusal::QueueFull,
                ReserveError::Gate(error) => Refusal::Unanswered { order_id, error },
            })?;
            *quotas = answer.quotas;
            return match answer.reservation {
                Reservation::Reserved { record, entry } => {
                    sale.observe(record.number);
                    crash_point("after_reserve");
                    let status = self.publish(&sale, order_id, &record, Some(entry)).await;
                    Ok(Placed {
                        order_id,
                        status,
                        replayed: false,
                        expires_at: self.sales.expires_at(&sale, &record, status).await,
                    })
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
                    self.remember(&sale, &refusal, sent_at);
                    Err(refusal)
                }
            };
        }
        let error = Box::pin(self.sales.why_missing(&order.product)).await;
        Box::pin(self.without_redis(order, error)).await
    }

    /// Lets the sold-out cache learn from a refusal by Redis.
    fn remember(&self, sale: &Sale, refusal: &Refusal, sent_at: BootInstant) {
        let reason = match *refusal {
            Refusal::SoldOut => RefusalReason::SoldOut,
            Refusal::Closed => RefusalReason::Closed,
            Refusal::NotOpen { opens_in_ms } if opens_in_ms > 0 => RefusalReason::NotOpen {
                opens_at: sent_at + Duration::from_millis(opens_in_ms),
            },
            _ => return,
        };
        self.refusals.observe(&sale.refusals, reason, sent_at);
    }

    async fn continues_after_loss(&self, sale: &Sale) -> Result<bool, Refusal> {
        Ok(self.losses.continues(sale, sale.high_water_mark()).await?)
    }

    async fn publish(
        &self,
        sale: &Arc<Sale>,
        order_id: OrderId,
        record: &OrderRecord,
        entry: Option<OutboxEntry>,
    ) -> OrderStatus {
        let event = Event::OrderReserved(record.event(order_id, &sale.facts.product));
        let message = PublishedEntry::message(sale, record.number, entry, event);
        tracing::debug!(order.id = %order_id, order.number = %record.number, "order reserved");
        let wait = Wait::IfPrompt(self.publish_wait);
        match self.publisher.publish(message, wait).await {
            Publication::Acknowledged => OrderStatus::Accepted,
            Publication::Waiting => OrderStatus::Reserved,
        }
    }

    fn refusal(&self, reservation: &Reservation) -> Refusal {
        match *reservation {
            Reservation::SoldOut => Refusal::SoldOut,
            Reservation::Insufficient => Refusal::Insufficient,
            Reservation::UserLimit => Refusal::UserLimit,
            Reservation::UnpaidLimit => Refusal::UnpaidLimit,
            Reservation::NotOpen { opens_in_ms } => Refusal::NotOpen { opens_in_ms },
            Reservation::Closed => Refusal::Closed,
            Reservation::RateLimited { wait_ms } => Refusal::RateLimited { wait_ms },
            Reservation::UserRateLimited { wait_ms } => Refusal::UserRateLimited { wait_ms },
            Reservation::OutboxFull => {
                self.metrics.outbox_full_total.inc();
                Refusal::OutboxFull
            }
            Reservation::Behind
            | Reservation::Lost
            | Reservation::Unknown
            | Reservation::Moved
            | Reservation::Reserved { .. }
            | Reservation::Known { .. } => Refusal::RedisBehind,
        }
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
