use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::SaleView;
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::ops::Readiness;
use prometheus::IntGauge;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::EventStream;
use super::latest_event::LatestEvent;
use crate::metrics::Metrics;
use crate::sales::{SaleCache, SaleSnapshots};

/// The pause between two reads of a sale. With the age of a snapshot, 200 ms, a stream tells a change within 500 ms.
const READ_INTERVAL: Duration = Duration::from_millis(250);
/// After so long without an event, streams send a heartbeat. A sale that takes no orders any more is read this often.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Streams that are woken at once, and the pause before the next ones are: orders that arrive meanwhile wait for no more.
const GROUP_STREAMS: usize = 500;
const GROUP_PAUSE: Duration = Duration::from_millis(3);

/// Up to [`GROUP_STREAMS`] streams of a sale.
type Group = watch::Sender<LatestEvent>;

/// The limits of an instance's event streams.
#[derive(Debug, Clone, Copy)]
pub struct EventLimits {
    /// Streams that may be open.
    pub streams_max: u32,
    /// The time in which all streams end when the service stops.
    pub drain: Duration,
}

/// The event streams of an instance, and the watchers of their sales.
pub struct SaleEvents {
    snapshots: Arc<SaleSnapshots>,
    sales: Arc<SaleCache>,
    limits: EventLimits,
    /// The streams of each sale that has any; its watcher runs.
    watched: Mutex<HashMap<ProductId, Vec<Group>>>,
    readiness: Readiness,
    tasks: EssentialTasks,
    /// Runs the watchers: the runtime of an HTTP thread ends with its own streams.
    runtime: Handle,
    metrics: Metrics,
}

/// The right to open a stream. The stream counts until this is dropped.
pub struct StreamSlot(IntGauge);

impl StreamSlot {
    pub(super) fn of(streams: &IntGauge) -> Self {
        streams.inc();
        Self(streams.clone())
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl SaleEvents {
    /// No streams yet. Watchers run on the current runtime; streams end when `readiness` drains.
    pub fn new(
        snapshots: Arc<SaleSnapshots>,
        sales: Arc<SaleCache>,
        limits: EventLimits,
        readiness: Readiness,
        tasks: EssentialTasks,
        metrics: Metrics,
    ) -> Self {
        Self {
            snapshots,
            sales,
            limits,
            watched: Mutex::default(),
            readiness,
            tasks,
            runtime: Handle::current(),
            metrics,
        }
    }

    /// A slot for one more stream; `None` at the limit.
    pub fn slot(&self) -> Option<StreamSlot> {
        let streams = &self.metrics.event_streams;
        let slot = StreamSlot::of(streams);
        if streams.get() <= self.limits.streams_max.into() {
            return Some(slot);
        }
        self.metrics.event_streams_limit_hits_total.inc();
        None
    }

    /// Opens a stream of a sale. `view` was read just before. A client that has the view `last_id` is not sent it again.
    pub fn open(
        self: &Arc<Self>,
        product: &ProductId,
        view: SaleView,
        last_id: Option<&[u8]>,
        slot: StreamSlot,
    ) -> EventStream {
        let latest = {
            let mut watched = self.watched();
            let groups = watched.entry(product.clone()).or_default();
            if groups.is_empty() {
                let latest = LatestEvent::new(view);
                groups.push(watch::Sender::new(latest.clone()));
                let watcher = Arc::clone(self).watch(product.clone(), latest);
                let _runtime = self.runtime.enter();
                self.tasks.spawn_finite("sale_watcher", watcher);
            }
            join(groups)
        };
        let events_total = self.metrics.sale_events_total.clone();
        EventStream::new(latest, last_id, events_total, slot)
    }

    /// Reads a sale again and again until it has no stream any more.
    async fn watch(self: Arc<Self>, product: ProductId, mut latest: LatestEvent) {
        let (mut read_at, mut sent_at) = (Instant::now(), Instant::now());
        let mut draining_since: Option<Instant> = None;
        loop {
            let pause = match latest.is_closed && draining_since.is_none() {
                true => HEARTBEAT_INTERVAL,
                false => READ_INTERVAL,
            };
            tokio::select! {
                () = sleep_until(read_at + pause) => {}
                () = self.readiness.drained(), if draining_since.is_none() => {
                    draining_since = Some(Instant::now());
                }
            }
            read_at = Instant::now();
            let view = self.snapshots.watch(&product, &self.sales).await;
            if latest.update(view.ok()) {
                sent_at = read_at;
            } else if read_at - sent_at >= HEARTBEAT_INTERVAL {
                latest.heartbeats += 1;
                sent_at = read_at;
            }
            if let Some(since) = draining_since {
                let drain = self.limits.drain.as_secs_f32();
                latest.ended_share = since.elapsed().as_secs_f32() / drain;
            }
            let Some(groups) = self.groups(&product) else {
                return;
            };
            for group in groups {
                if show(&group, &latest) {
                    sleep(GROUP_PAUSE).await;
                }
            }
        }
    }

    /// The streams of a sale; `None`, for good, if it has none any more.
    fn groups(&self, product: &ProductId) -> Option<Vec<Group>> {
        // Streams are opened under the same lock.
        let mut watched = self.watched();
        let groups = watched.get(product)?;
        if groups.iter().any(|group| group.receiver_count() > 0) {
            return Some(groups.clone());
        }
        watched.remove(product);
        None
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<ProductId, Vec<Group>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the first group that has one, or in a new one.
fn join(groups: &mut Vec<Group>) -> watch::Receiver<LatestEvent> {
    let has_room = |group: &&Group| group.receiver_count() < GROUP_STREAMS;
    if let Some(group) = groups.iter().find(has_room) {
        return group.subscribe();
    }
    let latest = groups.last().map(|group| group.borrow().clone());
    let group = watch::Sender::new(latest.expect("a sale that is watched has a group"));
    let stream = group.subscribe();
    groups.push(group);
    stream
}

/// Wakes the streams of a group if they do not know `latest` yet; returns whether they did not.
fn show(group: &Group, latest: &LatestEvent) -> bool {
    group.send_if_modified(|known| {
        let differs = known != latest;
        if differs {
            known.clone_from(latest);
        }
        differs
    })
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;

    use super::*;

    fn latest(number: u64) -> LatestEvent {
        LatestEvent {
            number,
            id: String::new(),
            frame: Bytes::new(),
            is_current: true,
            is_closed: false,
            heartbeats: 0,
            ended_share: 0.0,
        }
    }

    #[test]
    fn streams_join_groups_of_a_bounded_size_and_places_are_used_again() {
        let mut groups = vec![watch::Sender::new(latest(1))];
        let mut streams: Vec<_> = (0..=GROUP_STREAMS).map(|_| join(&mut groups)).collect();
        let sizes = |groups: &[Group]| groups.iter().map(Group::receiver_count).collect::<Vec<_>>();
        assert_eq!(sizes(&groups), [GROUP_STREAMS, 1]);
        streams.remove(0);
        streams.push(join(&mut groups));
        assert_eq!(sizes(&groups), [GROUP_STREAMS, 1]);
    }

    #[test]
    fn a_group_is_woken_by_what_it_does_not_know() {
        let group = watch::Sender::new(latest(1));
        let stream = group.subscribe();
        assert!(!show(&group, &latest(1)) && !stream.has_changed().unwrap());
        assert!(show(&group, &latest(2)) && stream.has_changed().unwrap());
        assert_eq!(*stream.borrow(), latest(2));
    }
}
