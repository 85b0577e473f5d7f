use std::time::{Duration, Instant};

use fluxgate_domain::batch::Batch;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::partitions::Partitions;
use crate::batch::BatchBuilder;

/// How long a full batch may wait for its writer before the partitions are paused. Pausing discards
/// what librdkafka has prefetched, so a short delay must not trigger it.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// Builds batches and hands them to the writers. All records of a partition go to the same writer, so they keep their
/// order, and a writer that is stuck holds up only its own partitions.
#[derive(Debug)]
pub struct PartitionDispatcher {
    queues: Vec<WriterQueue>,
}

#[derive(Debug)]
struct WriterQueue {
    builder: BatchBuilder,
    batches: mpsc::Sender<Batch>,
    /// When a full batch began to wait for the writer.
    full_since: Option<Instant>,
    /// Whether partitions may be paused for this writer.
    may_have_paused: bool,
}

/// Which partitions to pause because their writer does not keep up, or to resume because it does again.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Stop reading these. `begins` if no other partition of the writer was paused.
    Pause { partitions: Vec<i32>, begins: bool },
    /// Read these again.
    Resume { partitions: Vec<i32> },
}

impl PartitionDispatcher {
    /// One queue per writer, with an empty batch.
    ///
    /// # Panics
    /// When there is no writer.
    pub fn new(writers: impl IntoIterator<Item = (BatchBuilder, mpsc::Sender<Batch>)>) -> Self {
        let queues = writers.into_iter().map(|(builder, batches)| WriterQueue {
            builder,
            batches,
            full_since: None,
            may_have_paused: false,
        });
        let queues: Vec<_> = queues.collect();
        assert!(!queues.is_empty(), "there is a writer");
        Self { queues }
    }

    /// The number of writers.
    pub fn writers(&self) -> usize {
        self.queues.len()
    }

    /// The batch that a writer gets next.
    pub fn builder(&mut self, writer: usize) -> &mut BatchBuilder {
        &mut self.queues[writer].builder
    }

    /// Hands over what is due to writers that are free. While its writer is busy, an aged batch may
    /// grow.
    pub fn hand_over(&mut self, now: Instant, partitions: &mut Partitions) {
        for queue in &mut self.queues {
            if !queue.builder.is_due(now) {
                queue.full_since = None;
                continue;
            }
            match queue.batches.try_reserve() {
                Ok(permit) => {
                    let batch = queue.builder.take();
                    partitions.handed_over(&batch);
                    permit.send(batch);
                    queue.full_since = None;
                }
                Err(TrySendError::Full(())) if queue.builder.is_full() => {
                    queue.full_since.get_or_insert(now);
                }
                Err(TrySendError::Full(())) => queue.full_since = None,
                // The writer has panicked, and the worker is shutting down.
                Err(TrySendError::Closed(())) => drop(queue.builder.take()),
            }
        }
    }

    /// Whether a full batch is waiting that should not have to wait for long.
    pub fn is_waiting(&self, now: Instant) -> bool {
        let mut full_since = self.queues.iter().filter_map(|queue| queue.full_since);
        full_since.any(|since| now < since + PAUSE_AFTER)
    }

    /// What to pause or resume now. `partitions` are marked as if that was done.
    pub fn relieve(&mut self, now: Instant, partitions: &mut Partitions) -> Vec<Pressure> {
        let mut all = Vec::new();
        for (writer, queue) in self.queues.iter_mut().enumerate() {
            if let Some(since) = queue.full_since {
                if now < since + PAUSE_AFTER {
                    continue;
                }
                let begins = !partitions.has_paused(writer);
                let paused = partitions.pause(writer);
                queue.may_have_paused = true;
                if !paused.is_empty() {
                    let partitions = paused;
                    all.push(Pressure::Pause { partitions, begins });
                }
            } else if std::mem::take(&mut queue.may_have_paused) {
                let partitions = partitions.resume(writer);
                if !partitions.is_empty() {
                    all.push(Pressure::Resume { partitions });
                }
            }
        }
        all
    }

    /// How long the first of the batches may still wait, if any holds a record.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let moving = self.queues.iter().filter(|it| it.full_since.is_none());
        moving.filter_map(|it| it.builder.time_left(now)).min()
    }

    /// Hands over everything that is left. Blocks while writers are busy.
    pub fn finish(self) {
        let mut waiting = Vec::new();
        for mut queue in self.queues {
            let rest = queue.builder.take();
            if rest.is_empty() {
                continue;
            }
            if let Err(TrySendError::Full(rest)) = queue.batches.try_send(rest) {
                waiting.push((rest, queue.batches));
            }
        }
        for (rest, batches) in waiting {
            // The shutdown's timeout may end the writer first.
            let _ = batches.blocking_send(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::batch::Record;
    use fluxgate_domain::events::Undecodable;

    use super::super::partition_state::Reading;
    use super::*;
    use crate::batch::ReadFrom;

    const AGE: Duration = Duration::from_millis(10);

    /// A dispatcher with the partitions that it works for.
    struct Reader {
        dispatcher: PartitionDispatcher,
        partitions: Partitions,
    }

    fn reader(writers: usize) -> (Reader, Vec<mpsc::Receiver<Batch>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..writers).map(|_| mpsc::channel(1)).unzip();
        let builders = senders
            .into_iter()
            .map(|batches| (BatchBuilder::new(2, AGE), batches));
        let reader = Reader {
            dispatcher: PartitionDispatcher::new(builders),
            partitions: Partitions::new(Duration::ZERO),
        };
        (reader, receivers)
    }

    impl Reader {
        fn push(&mut self, partition: i32, offset: i64, now: Instant) {
            let (next, fresh) = (offset, false);
            let reading = Reading::Running { next, fresh };
            self.partitions.begin_generation(partition, 1, reading);
            let writer = match self.partitions.get_mut(partition).unwrap().writer {
                Some(writer) => writer,
                None => {
                    let writers = self.dispatcher.writers();
                    self.partitions.choose_writer(partition, writers)
                }
            };
            let builder = self.dispatcher.builder(writer);
            let record = Record::new(offset, 0, None, None, Err(Undecodable::MissingType));
            let from = ReadFrom {
                generation: 1,
                log_number: 0,
                offset,
            };
            builder.push(partition, from, record, None, now);
        }

        fn hand_over(&mut self, now: Instant) {
            self.dispatcher.hand_over(now, &mut self.partitions);
        }

        fn relieve(&mut self, now: Instant) -> Vec<Pressure> {
            self.dispatcher.relieve(now, &mut self.partitions)
        }
    }

    /// The partitions of the batch that a writer finds.
    fn found(writer: &mut mpsc::Receiver<Batch>) -> Vec<i32> {
        let batch = writer.try_recv();
        let slices = batch.map(|batch| batch.slices).unwrap_or_default();
        slices.iter().map(|slice| slice.partition).collect()
    }

    #[test]
    fn partitions_are_shared_evenly_whichever_they_are_and_keep_their_writer() {
        let (mut reader, mut writers) = reader(2);
        let now = Instant::now();
        for partition in [0, 2, 4, 6] {
            reader.push(partition, 0, now);
        }
        reader.hand_over(now);
        assert_eq!(found(&mut writers[0]), [0, 4]);
        assert_eq!(found(&mut writers[1]), [2, 6]);
        for partition in [6, 4] {
            reader.push(partition, 1, now);
        }
        reader.hand_over(now + AGE);
        assert_eq!(found(&mut writers[0]), [4]);
        assert_eq!(found(&mut writers[1]), [6]);
    }

    #[test]
    fn a_removed_partition_makes_room_for_another() {
        let (mut reader, mut writers) = reader(2);
        let now = Instant::now();
        for partition in [0, 1] {
            reader.push(partition, 0, now);
        }
        assert!(reader.dispatcher.builder(0).forget(0));
        assert!(!reader.dispatcher.builder(0).forget(0));
        reader.partitions.remove(0);
        reader.push(9, 0, now);
        reader.hand_over(now + AGE);
        assert_eq!(found(&mut writers[0]), [9]);
        assert_eq!(found(&mut writers[1]), [1]);
    }

    #[test]
    fn a_stuck_writer_holds_up_its_own_partitions_only() {
        let (mut reader, mut writers) = reader(2);
        let start = Instant::now();
        // One batch is being written, one is full: partition 0 is stuck.
        for offset in 0..4 {
            reader.push(0, offset, start);
            reader.hand_over(start);
        }
        assert!(reader.dispatcher.is_waiting(start));
        assert_eq!(reader.dispatcher.time_left(start), None);
        reader.push(1, 0, start);
        reader.hand_over(start + AGE);
        assert_eq!(found(&mut writers[1]), [1]);
        assert!(reader.relieve(start + AGE).is_empty());

        let later = start + PAUSE_AFTER;
        assert!(!reader.dispatcher.is_waiting(later));
        let pause = |partition, begins| Pressure::Pause {
            partitions: vec![partition],
            begins,
        };
        assert_eq!(reader.relieve(later), [pause(0, true)]);
        assert!(reader.relieve(later).is_empty(), "it is done");
        reader.push(2, 0, later); // both writers have one partition, and the first comes first
        assert_eq!(reader.relieve(later), [pause(2, false)]);

        assert_eq!(found(&mut writers[0]), [0]);
        reader.hand_over(later);
        let resume = Pressure::Resume {
            partitions: vec![0, 2],
        };
        assert_eq!(reader.relieve(later), [resume]);
        assert!(reader.relieve(later).is_empty(), "it is done");
        assert_eq!(found(&mut writers[0]), [0, 2]);
    }

    #[test]
    fn an_aged_batch_grows_while_its_writer_is_busy() {
        let (mut reader, mut writers) = reader(1);
        let start = Instant::now();
        reader.push(0, 0, start);
        reader.hand_over(start + AGE);
        reader.push(0, 1, start);
        reader.hand_over(start + AGE);
        assert!(!reader.dispatcher.is_waiting(start + AGE));
        reader.push(1, 0, start);
        assert_eq!(found(&mut writers[0]), [0]);
        reader.dispatcher.finish();
        assert_eq!(found(&mut writers[0]), [0, 1]);
    }
}
