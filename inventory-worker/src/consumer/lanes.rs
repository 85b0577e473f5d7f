use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::batch::{Batch, BatchBuilder};

/// How long a full batch may wait for its writer before the partitions are paused. Pausing throws
/// away what librdkafka has read ahead, so it is not done for a hiccup.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// The ways to the writers. All records of a partition go the same way, so they keep their order,
/// and a writer that is stuck holds up only its own partitions.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    /// The lane of each partition that is ours.
    ways: HashMap<i32, usize>,
}

#[derive(Debug)]
struct Lane {
    builder: BatchBuilder,
    batches: mpsc::Sender<Batch>,
    /// Since when a full batch waits for the writer.
    full_since: Option<Instant>,
    paused: BTreeSet<i32>,
}

/// What is to be done about partitions whose writer is, or is no longer, too slow for them.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Read no more of these. `begins` when none of the lane was paused before.
    Pause { partitions: Vec<i32>, begins: bool },
    /// Read on.
    Resume { partitions: Vec<i32> },
}

impl Lanes {
    /// A lane to each writer, with an empty batch.
    ///
    /// # Panics
    /// When there is none.
    pub fn new(writers: impl IntoIterator<Item = (BatchBuilder, mpsc::Sender<Batch>)>) -> Self {
        let lanes = writers.into_iter().map(|(builder, batches)| Lane {
            builder,
            batches,
            full_since: None,
            paused: BTreeSet::new(),
        });
        let lanes: Vec<_> = lanes.collect();
        assert!(!lanes.is_empty(), "there is a writer");
        let ways = HashMap::new();
        Self { lanes, ways }
    }

    /// The batch that a partition's records belong to. A new partition goes where there are fewest.
    pub fn builder_of(&mut self, partition: i32) -> &mut BatchBuilder {
        let way = match self.ways.get(&partition) {
            Some(way) => *way,
            None => {
                let taken = |way| self.ways.values().filter(|it| **it == way).count();
                let emptiest = (0..self.lanes.len()).min_by_key(|way| taken(*way));
                let way = emptiest.expect("there is a lane, see new()");
                self.ways.insert(partition, way);
                way
            }
        };
        &mut self.lanes[way].builder
    }

    /// Forgets what was read of a partition that is read no more; true when there was something.
    pub fn stop(&mut self, partition: i32) -> bool {
        let had_records = self.builder_of(partition).forget(partition);
        for lane in &mut self.lanes {
            lane.paused.remove(&partition);
        }
        had_records
    }

    /// A partition that is somebody else's.
    pub fn give_up(&mut self, partition: i32) {
        self.ways.remove(&partition);
    }

    /// Hands over what is due to writers that are free. While its writer is busy an aged batch may as
    /// well grow.
    pub fn hand_over(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            if !lane.builder.is_due(now) {
                lane.full_since = None;
                continue;
            }
            match lane.batches.try_reserve() {
                Ok(permit) => {
                    permit.send(lane.builder.take());
                    lane.full_since = None;
                }
                Err(TrySendError::Full(())) if lane.builder.is_full() => {
                    lane.full_since.get_or_insert(now);
                }
                Err(TrySendError::Full(())) => lane.full_since = None,
                // The writer has ended badly, and the worker is about to.
                Err(TrySendError::Closed(())) => drop(lane.builder.take()),
            }
        }
    }

    /// Whether a full batch waits that should not wait for long.
    pub fn is_waiting(&self, now: Instant) -> bool {
        let mut full_since = self.lanes.iter().filter_map(|lane| lane.full_since);
        full_since.any(|since| now < since + PAUSE_AFTER)
    }

    /// What is to be paused or resumed now, of the partitions that are being `read`. It counts as done.
    pub fn pressure(&mut self, now: Instant, read: impl Fn(i32) -> bool) -> Vec<Pressure> {
        let mut all = Vec::new();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(since) = lane.full_since {
                if now < since + PAUSE_AFTER {
                    continue;
                }
                let ways = self.ways.iter().filter(|(_, way)| **way == number);
                let begins = lane.paused.is_empty();
                let partitions: Vec<i32> = ways
                    .map(|(partition, _)| *partition)
                    .filter(|it| read(*it) && lane.paused.insert(*it))
                    .collect();
                if !partitions.is_empty() {
                    all.push(Pressure::Pause { partitions, begins });
                }
            } else if !lane.paused.is_empty() {
                let partitions = std::mem::take(&mut lane.paused).into_iter().collect();
                all.push(Pressure::Resume { partitions });
            }
        }
        all
    }

    /// How long the first of the batches may still wait, if any holds anything.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let moving = self.lanes.iter().filter(|lane| lane.full_since.is_none());
        moving.filter_map(|it| it.builder.time_left(now)).min()
    }

    /// Hands over all that is left. Blocks while writers are busy.
    pub fn finish(self) {
        let mut waiting = Vec::new();
        for mut lane in self.lanes {
            let rest = lane.builder.take();
            if rest.is_empty() {
                continue;
            }
            if let Err(TrySendError::Full(rest)) = lane.batches.try_send(rest) {
                waiting.push((rest, lane.batches));
            }
        }
        for (rest, batches) in waiting {
            // The writer may be cut off by the shutdown's timeout.
            let _ = batches.blocking_send(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Record;

    const AGE: Duration = Duration::from_millis(10);

    fn lanes(count: usize) -> (Lanes, Vec<mpsc::Receiver<Batch>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(1)).unzip();
        let builders = senders
            .into_iter()
            .map(|batches| (BatchBuilder::new(2, AGE), batches));
        (Lanes::new(builders), receivers)
    }

    fn push(lanes: &mut Lanes, partition: i32, offset: i64, now: Instant) {
        let builder = lanes.builder_of(partition);
        builder.push(partition, 1, offset, Record::dead(offset), now);
    }

    /// The partitions of the batch that a writer finds.
    fn found(writer: &mut mpsc::Receiver<Batch>) -> Vec<i32> {
        let batch = writer.try_recv();
        let slices = batch.map(|batch| batch.slices).unwrap_or_default();
        slices.iter().map(|slice| slice.partition).collect()
    }

    #[test]
    fn partitions_are_shared_evenly_whichever_they_are_and_keep_their_way() {
        let (mut lanes, mut writers) = lanes(2);
        let now = Instant::now();
        for partition in [0, 2, 4, 6] {
            push(&mut lanes, partition, 0, now);
        }
        lanes.hand_over(now);
        assert_eq!(found(&mut writers[0]), [0, 4]);
        assert_eq!(found(&mut writers[1]), [2, 6]);
        for partition in [6, 4] {
            push(&mut lanes, partition, 1, now);
        }
        lanes.hand_over(now + AGE);
        assert_eq!(found(&mut writers[0]), [4]);
        assert_eq!(found(&mut writers[1]), [6]);
    }

    #[test]
    fn what_is_given_up_makes_room_for_another() {
        let (mut lanes, mut writers) = lanes(2);
        let now = Instant::now();
        for partition in [0, 1] {
            push(&mut lanes, partition, 0, now);
        }
        assert!(lanes.stop(0));
        assert!(!lanes.stop(0));
        lanes.give_up(0);
        push(&mut lanes, 9, 0, now);
        lanes.hand_over(now + AGE);
        assert_eq!(found(&mut writers[0]), [9]);
        assert_eq!(found(&mut writers[1]), [1]);
    }

    #[test]
    fn a_stuck_writer_holds_up_its_own_partitions_only() {
        let (mut lanes, mut writers) = lanes(2);
        let start = Instant::now();
        // One batch on its way, one full: partition 0 is stuck.
        for offset in 0..4 {
            push(&mut lanes, 0, offset, start);
            lanes.hand_over(start);
        }
        assert!(lanes.is_waiting(start));
        assert_eq!(lanes.time_left(start), None);
        push(&mut lanes, 1, 0, start);
        lanes.hand_over(start + AGE);
        assert_eq!(found(&mut writers[1]), [1]);
        assert!(lanes.pressure(start + AGE, |_| true).is_empty());

        let later = start + PAUSE_AFTER;
        assert!(!lanes.is_waiting(later));
        let pause = |partition, begins| Pressure::Pause {
            partitions: vec![partition],
            begins,
        };
        assert_eq!(lanes.pressure(later, |_| true), [pause(0, true)]);
        assert!(lanes.pressure(later, |_| true).is_empty(), "it is done");
        push(&mut lanes, 2, 0, later); // the lane of 1 has as many, and 0 comes first
        assert_eq!(lanes.pressure(later, |_| true), [pause(2, false)]);

        assert_eq!(found(&mut writers[0]), [0]);
        lanes.hand_over(later);
        let resume = Pressure::Resume {
            partitions: vec![0, 2],
        };
        assert_eq!(lanes.pressure(later, |_| true), [resume]);
        assert_eq!(found(&mut writers[0]), [0, 2]);
    }

    #[test]
    fn an_aged_batch_grows_while_its_writer_is_busy() {
        let (mut lanes, mut writers) = lanes(1);
        let start = Instant::now();
        push(&mut lanes, 0, 0, start);
        lanes.hand_over(start + AGE);
        push(&mut lanes, 0, 1, start);
        lanes.hand_over(start + AGE);
        assert!(!lanes.is_waiting(start + AGE));
        push(&mut lanes, 1, 0, start);
        assert_eq!(found(&mut writers[0]), [0]);
        lanes.finish();
        assert_eq!(found(&mut writers[0]), [0, 1]);
    }
}
