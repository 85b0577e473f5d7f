//! Combines concurrent reads of a store into one call.

mod limits;
mod row_batchers;

pub use limits::{QueueLimits, ReadLimits};
pub use row_batchers::RowBatchers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_service::essential_tasks::EssentialTasks;
use prometheus::{Histogram, IntCounter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// How long the next call waits for the last one to end.
const SLOW_CALL: Duration = Duration::from_millis(20);
/// Calls under way. The second one begins if the first is slow, so that a call that hangs does not hold up what is queued.
const CALLS_MAX: usize = 2;

/// A read of one store that can be made for many keys at once.
pub trait BatchRead: Send + Sync + 'static {
    #[allow(missing_docs)]
    type Key: Send + Sync + 'static;
    #[allow(missing_docs)]
    type Value: Send + 'static;
    #[allow(missing_docs)]
    type Error: Send + 'static;
    /// Most keys of one call.
    const KEYS_MAX: usize;

    /// The value of a metric's label.
    fn name(&self) -> &'static str;

    /// Reads these keys: one answer per key, in their order.
    fn read(
        &self,
        keys: &[Self::Key],
    ) -> impl Future<Output = Vec<Result<Self::Value, Self::Error>>> + Send;

    /// The error of a read that was not made, because too many are waiting or because it waited for too long.
    fn not_made() -> Self::Error;
}

/// Combines concurrent reads into one call.
///
/// A read that finds no call under way is sent at once. Meanwhile further reads wait, and go into the next call. An error
/// concerns the keys of its call only.
pub struct ReadBatcher<R: BatchRead> {
    queue: mpsc::Sender<PendingRead<R>>,
    full_total: IntCounter,
}

struct PendingRead<R: BatchRead> {
    key: R::Key,
    asked_at: Instant,
    answer: oneshot::Sender<Result<R::Value, R::Error>>,
}

impl<R: BatchRead> ReadBatcher<R> {
    /// Starts the task that makes the calls. It ends when the batcher is dropped.
    pub fn start(reads: R, limits: QueueLimits, metrics: &Metrics, tasks: &EssentialTasks) -> Self {
        let name = [reads.name()];
        let full_total = metrics.read_queue_full_total.with_label_values(&name);
        let keys_per_call = metrics.keys_per_read.with_label_values(&name);
        let (queue, pending) = mpsc::channel(limits.reads_max.max(1));
        let calls = Calls {
            reads: Arc::new(reads),
            wait_max: limits.wait_max,
            keys_per_call,
        };
        tasks.spawn_finite("read_batcher", calls.run(pending));
        Self { queue, full_total }
    }

    /// Reads one key.
    ///
    /// # Errors
    /// When the call that it was part of failed, or none was made for it.
    pub async fn read(&self, key: R::Key) -> Result<R::Value, R::Error> {
        let (answer, answered) = oneshot::channel();
        let asked_at = Instant::now();
        let pending = PendingRead {
            key,
            asked_at,
            answer,
        };
        if self.queue.try_send(pending).is_err() {
            self.full_total.inc();
            return Err(R::not_made());
        }
        answered.await.unwrap_or_else(|_| Err(R::not_made()))
    }
}

struct Calls<R> {
    reads: Arc<R>,
    wait_max: Duration,
    keys_per_call: Histogram,
}

impl<R: BatchRead> Calls<R> {
    async fn run(self, mut queue: mpsc::Receiver<PendingRead<R>>) {
        let under_way = Arc::new(Semaphore::new(CALLS_MAX));
        let mut batch = Vec::new();
        while queue.recv_many(&mut batch, R::KEYS_MAX).await > 0 {
            let permit = Arc::clone(&under_way).acquire_owned().await;
            let permit = permit.expect("this semaphore is never closed");
            // What came while the permit was awaited.
            while batch.len() < R::KEYS_MAX
                && let Ok(pending) = queue.try_recv()
            {
                batch.push(pending);
            }
            // A task of its own: a caller may disconnect while others wait.
            let call = tokio::spawn(self.call(std::mem::take(&mut batch), permit));
            // Its end, or the time: either lets the next call begin. A panic leaves its callers without an answer.
            let _ = timeout(SLOW_CALL, call).await;
        }
    }

    fn call(
        &self,
        batch: Vec<PendingRead<R>>,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<R> {
        let (mut keys, mut answers) = (Vec::new(), Vec::new());
        for pending in batch {
            let is_late = pending.asked_at.elapsed() > self.wait_max;
            // A caller who is gone or late costs no read. Dropping its half of the channel tells the latter.
            if !is_late && !pending.answer.is_closed() {
                keys.push(pending.key);
                answers.push(pending.answer);
            }
        }
        let reads = Arc::clone(&self.reads);
        let keys_per_call = self.keys_per_call.clone();
        async move {
            if !keys.is_empty() {
                keys_per_call.observe(keys.len() as f64);
                let values = reads.read(&keys).await;
                for (answer, value) in answers.into_iter().zip(values) {
                    // Fails if the caller has disconnected meanwhile.
                    answer.send(value).ok();
                }
            }
            drop(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use prometheus::Registry;
    use tokio::sync::Notify;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A store that answers a call once it is told to; key 7 fails, and with it its whole call.
    #[derive(Default)]
    struct Store {
        calls: Mutex<Vec<Vec<u32>>>,
        answers: Notify,
    }

    struct Doubled(Arc<Store>);

    impl BatchRead for Doubled {
        type Key = u32;
        type Value = u32;
        type Error = &'static str;
        const KEYS_MAX: usize = 4;

        fn name(&self) -> &'static str {
            "doubled"
        }

        async fn read(&self, keys: &[u32]) -> Vec<Result<u32, &'static str>> {
            self.0.calls.lock().unwrap().push(keys.to_vec());
            self.0.answers.notified().await;
            let one = |key: &u32| match keys.contains(&7) {
                true => Err("failed"),
                false => Ok(key * 2),
            };
            keys.iter().map(one).collect()
        }

        fn not_made() -> &'static str {
            "not made"
        }
    }

    fn start(reads_max: usize) -> (Arc<Store>, ReadBatcher<Doubled>) {
        let store = Arc::new(Store::default());
        let limits = QueueLimits {
            reads_max,
            wait_max: Duration::from_secs(60),
        };
        let metrics = Metrics::register(&Registry::new(), "test");
        let tasks = EssentialTasks::new(CancellationToken::new());
        let batcher = ReadBatcher::start(Doubled(Arc::clone(&store)), limits, &metrics, &tasks);
        (store, batcher)
    }

    impl Store {
        /// Waits until this many calls have begun.
        async fn until_called(&self, times: usize) {
            while self.calls.lock().unwrap().len() < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    #[tokio::test]
    async fn reads_that_come_during_a_call_share_the_next_one_and_fail_alone() {
        let (store, batcher) = start(10);
        let first = async {
            let first = batcher.read(7);
            let rest = async {
                store.until_called(1).await;
                let reads = join_all([1, 2, 3].map(|key| batcher.read(key)));
                let answering = async {
                    tokio::task::yield_now().await;
                    store.answers.notify_one();
                    store.until_called(2).await;
                    store.answers.notify_one();
                };
                tokio::join!(reads, answering).0
            };
            tokio::join!(first, rest)
        };
        let (failed, rest) = first.await;
        assert_eq!(failed, Err("failed"));
        assert_eq!(rest, [Ok(2), Ok(4), Ok(6)]);
        assert_eq!(*store.calls.lock().unwrap(), [vec![7], vec![1, 2, 3]]);
    }

    #[tokio::test]
    async fn a_call_that_hangs_does_not_hold_up_the_next_one() {
        let (store, batcher) = start(10);
        let hanging = batcher.read(1);
        let next = async {
            store.until_called(1).await;
            let read = batcher.read(2);
            let called = store.until_called(2);
            // The hanging call began first, and is told first.
            tokio::join!(read, async {
                called.await;
                store.answers.notify_waiters();
            })
            .0
        };
        assert_eq!(tokio::join!(hanging, next), (Ok(2), Ok(4)));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_callers_who_are_gone_are_not_read() {
        let (store, batcher) = start(2);
        let mut calls: Vec<_> = (1..=CALLS_MAX).collect();
        let mut hanging = Vec::new();
        for call in calls.drain(..) {
            let read = batcher.read(u32::try_from(call).unwrap());
            let mut read = Box::pin(read);
            assert!(timeout(Duration::from_millis(1), &mut read).await.is_err());
            hanging.push(read);
            store.until_called(call).await;
        }
        // One waits outside the queue for its call to begin.
        let mut waiting = Vec::new();
        for key in 10..13 {
            let mut read = Box::pin(batcher.read(key));
            assert!(timeout(Duration::from_millis(30), &mut read).await.is_err());
            waiting.push(read);
        }
        assert_eq!(batcher.read(13).await, Err("not made"));
        assert_eq!(batcher.full_total.get(), 1);
        drop(waiting.remove(1));
        store.answers.notify_waiters();
        store.until_called(CALLS_MAX + 1).await;
        store.answers.notify_one();
        assert_eq!(join_all(waiting).await, [Ok(20), Ok(24)]);
        assert_eq!(store.calls.lock().unwrap()[CALLS_MAX], [10, 12]);
    }
}
