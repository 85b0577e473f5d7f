use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::queue::{HolderId, Ticket};
use fluxgate_domain::records::QueueStartRecord;
use fluxgate_gate::{Join, QueueMark, QueueRefusal, ReservationStore};
use prometheus::IntCounter;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::join_request::{JoinRequest, due};
use super::stalled_clock::StalledClock;
use super::{QueueError, QueueSnapshot, SaleQueue};
use crate::boot_instant::BootInstant;
use crate::metrics::Metrics;
use crate::sales::{LossPolicy, Publisher, SaleCache, publish_change};

/// How often a queue is served. Redis moves it by the time that has passed.
const PACE_INTERVAL: Duration = Duration::from_millis(250);

/// Of a closed sale, one call in so many intervals: nothing changes any more.
const CLOSED_INTERVALS: u32 = 8;
/// How long a start waits for Kafka: it counts already, and the outbox relay publishes it otherwise.
const START_PUBLISH_WAIT: Duration = Duration::from_millis(500);
/// How long the read of a snapshot that an order asks for is put off, so that further orders share it.
const REFRESH_DELAY: Duration = Duration::from_millis(20);

/// Serves a queue, and lets people join it: those who come while a call is in flight share the next one.
pub struct QueueTask {
    pub store: ReservationStore,
    pub sales: Arc<SaleCache>,
    pub publisher: Publisher,
    pub losses: LossPolicy,
    pub queue: Arc<SaleQueue>,
    pub joins: mpsc::Receiver<JoinRequest>,
    pub outbox_max: u32,
    pub stalled_clock: StalledClock,
    pub overdue_joins_total: IntCounter,
    pub metrics: Metrics,
}

/// Redis no longer has this queue, or has it with other terms.
struct Gone;

impl QueueTask {
    /// Runs until it is stopped, or until Redis no longer has the queue.
    pub async fn run(mut self) {
        let stop = self.queue.stop.clone();
        let mut ticks = interval(PACE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut requests = Vec::new();
        let mut skipped = 0;
        let mut refresh_at = None;
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {
                    skipped += 1;
                    if self.queue.is_closed() && skipped < CLOSED_INTERVALS {
                        continue;
                    }
                    skipped = 0;
                    refresh_at = None;
                    self.pace().await
                }
                () = self.queue.refresh.notified() => {
                    refresh_at.get_or_insert_with(|| Instant::now() + REFRESH_DELAY);
                    continue;
                }
                () = reached(refresh_at) => {
                    refresh_at = None;
                    self.pace().await
                }
                _ = self.joins.recv_many(&mut requests, ReservationStore::HOLDERS_MAX) => {
                    self.join(std::mem::take(&mut requests)).await
                }
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    async fn pace(&mut self) -> Result<(), Gone> {
        let read_at = BootInstant::now();
        let queue = &self.queue;
        let mark = queue.mark();
        let paced = self.store.pace_queue(
            &queue.sale.keys,
            &queue.keys,
            &queue.binding,
            &mark,
            self.high_water_mark(),
            self.outbox_max,
        );
        match paced.await {
            Ok(Ok(view)) => {
                queue.observe(&view.mark);
                if let Some(start) = view.start {
                    self.observe(start.number);
                    if view.starts_now {
                        self.publish_start(start);
                    }
                }
                if let Some(number) = view.change {
                    self.observe(number);
                }
                self.stalled_clock.observe(&view, BootInstant::now());
                if view.is_behind {
                    self.metrics.redis_lost_writes_total.inc();
                    self.continue_after_loss().await;
                }
                let snapshot = Arc::new(QueueSnapshot::new(view, read_at));
                queue.snapshot.send_replace(Some(snapshot));
                Ok(())
            }
            Ok(Err(QueueRefusal::Unknown | QueueRefusal::Moved)) => Err(Gone),
            // The snapshot gets stale.
            Ok(Err(QueueRefusal::Behind | QueueRefusal::Lost)) | Err(_) => {
                self.stalled_clock.count(BootInstant::now());
                Ok(())
            }
        }
    }

    /// Lets the sale continue, if it may: while Redis is behind, no turns begin, and no order would find it behind.
    async fn continue_after_loss(&self) {
        let sale = &self.queue.sale;
        if let Err(error) = self.losses.continues(sale, self.high_water_mark()).await {
            tracing::debug!(sale.product = %sale.facts.product, %error, "failed to continue after a loss; trying again");
        }
    }

    /// Publishes the start of the queue. Nobody waits for it.
    fn publish_start(&self, start: QueueStartRecord) {
        let (publisher, sale) = (self.publisher.clone(), Arc::clone(&self.queue.sale));
        let product = &sale.facts.product;
        tracing::info!(sale.product = %product, queue.joined = start.joined, "queue started");
        let event = Event::QueueStarted(start.event(product));
        tokio::spawn(async move {
            let (number, wait) = (start.number, START_PUBLISH_WAIT);
            publish_change(&publisher, &sale, number, event, wait).await;
        });
    }

    async fn join(&self, requests: Vec<JoinRequest>) -> Result<(), Gone> {
        let requests = due(requests, &self.overdue_joins_total);
        if requests.is_empty() {
            return Ok(());
        }
        let queue = &self.queue;
        let holders: Vec<HolderId> = requests.iter().map(|request| request.holder).collect();
        let mark = queue.mark();
        let (keys, binding) = (&queue.sale.keys, &queue.binding);
        let joined = self
            .store
            .join_queue(keys, &queue.keys, binding, &mark, &holders);
        let joined = joined.await;
        let mut outcome = Ok(());
        match &joined {
            Ok(Join::Early) => self.count("early", requests.len()),
            Ok(Join::Late { first }) => {
                self.count("late", requests.len());
                let last = first.saturating_add(requests.len() as u64) - 1;
                queue.observe(&QueueMark {
                    late: last,
                    ..QueueMark::default()
                });
            }
            Ok(Join::Refused(QueueRefusal::Unknown | QueueRefusal::Moved)) => outcome = Err(Gone),
            Ok(Join::Refused(QueueRefusal::Behind | QueueRefusal::Lost)) => {
                let lost_total = &self.metrics.redis_lost_writes_total;
                lost_total.inc_by(requests.len() as u64);
            }
            _ => {}
        }
        for (n, request) in requests.into_iter().enumerate() {
            let answer = answer(&joined, request.holder, n as u64);
            // The client may have disconnected.
            let _ = request.answer.send(answer);
        }
        outcome
    }

    /// The highest number that this instance has seen of the sale, which may have been read again since the queue was found.
    fn high_water_mark(&self) -> SequenceNumber {
        let known = self.queue.sale.high_water_mark();
        let latest = self.sales.remembered_sale(&self.queue.sale.facts.product);
        latest.map_or(known, |sale| sale.high_water_mark().max(known))
    }

    fn observe(&self, number: SequenceNumber) {
        self.queue.sale.observe(number);
        let latest = self.sales.remembered_sale(&self.queue.sale.facts.product);
        if let Some(sale) = latest {
            sale.observe(number);
        }
    }

    fn count(&self, class: &str, people: usize) {
        let joins = &self.metrics.queue_joins_total;
        joins.with_label_values(&[class]).inc_by(people as u64);
    }
}

/// Waits until `at`; forever, if there is no such time.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The answer to the `n`th of those who joined in one call.
fn answer(
    joined: &Result<Join, fluxgate_gate::GateError>,
    holder: HolderId,
    n: u64,
) -> Result<Ticket, QueueError> {
    let number = match joined {
        Ok(Join::Early) => None,
        Ok(Join::Late { first }) => NonZeroU64::new(first.saturating_add(n)),
        Ok(Join::NotOpen { opens_in }) => {
            return Err(QueueError::NotOpen {
                opens_in: *opens_in,
            });
        }
        Ok(Join::Ended) => return Err(QueueError::Ended),
        Ok(Join::Closed) => return Err(QueueError::Closed),
        Ok(Join::Refused(QueueRefusal::Unknown | QueueRefusal::Moved)) => {
            return Err(QueueError::Stale);
        }
        Ok(Join::Refused(QueueRefusal::Behind | QueueRefusal::Lost)) => {
            return Err(QueueError::RedisBehind);
        }
        Err(error) => return Err(error.clone().into()),
    };
    Ok(Ticket { holder, number })
}
