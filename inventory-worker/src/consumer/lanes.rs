use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::batch::{Batch, BatchBuilder};

/// The ways to the writers. All records of a partition go the same way, so they keep their order.
#[derive(Debug)]
pub struct Lanes(Vec<Lane>);

/// The way to one writer.
#[derive(Debug)]
pub struct Lane {
    /// The batch that it gets next.
    pub builder: BatchBuilder,
    /// Where its batches go.
    pub batches: mpsc::Sender<Batch>,
}

impl Lanes {
    /// # Panics
    /// When there is none.
    pub fn new(lanes: Vec<Lane>) -> Self {
        assert!(!lanes.is_empty(), "there is a writer");
        Self(lanes)
    }

    /// The batch that a partition's records belong to.
    pub fn builder_of(&mut self, partition: i32) -> &mut BatchBuilder {
        let lane = partition.unsigned_abs() as usize % self.0.len();
        &mut self.0[lane].builder
    }

    /// How long the first of the batches may still wait, if any holds anything.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let lanes = self.0.iter();
        lanes.filter_map(|it| it.builder.time_left(now)).min()
    }

    /// A batch that should go now, and where it goes.
    pub fn next_due(&mut self, now: Instant) -> Option<(Batch, mpsc::Sender<Batch>)> {
        let lane = self.0.iter_mut().find(|lane| lane.is_due(now))?;
        Some((lane.builder.take(), lane.batches.clone()))
    }

    /// What is left in the end.
    pub fn into_rest(self) -> impl Iterator<Item = (Batch, mpsc::Sender<Batch>)> {
        let rest = self.0.into_iter();
        rest.map(|mut lane| (lane.builder.take(), lane.batches))
            .filter(|(batch, _)| !batch.is_empty())
    }
}

impl Lane {
    /// While its writer is busy an aged batch may as well grow.
    fn is_due(&self, now: Instant) -> bool {
        let writer_is_free = self.batches.capacity() > 0;
        self.builder.is_full() || (writer_is_free && self.builder.is_due(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Record;

    fn two_lanes() -> (Lanes, [mpsc::Receiver<Batch>; 2]) {
        let (to_even, even) = mpsc::channel(1);
        let (to_odd, odd) = mpsc::channel(1);
        let lane = |batches| Lane {
            builder: BatchBuilder::new(2, Duration::from_millis(10)),
            batches,
        };
        (Lanes::new(vec![lane(to_even), lane(to_odd)]), [even, odd])
    }

    fn push(lanes: &mut Lanes, partition: i32, offset: i64, now: Instant) {
        let builder = lanes.builder_of(partition);
        builder.push(partition, 1, offset, Record::dead(offset), now);
    }

    fn partitions(batch: &Batch) -> Vec<i32> {
        batch.slices.iter().map(|slice| slice.partition).collect()
    }

    #[test]
    fn a_partition_always_goes_the_same_way() {
        let (mut lanes, [mut even, mut odd]) = two_lanes();
        let now = Instant::now();
        for (partition, offset) in [(0, 0), (1, 0), (2, 0), (3, 0)] {
            push(&mut lanes, partition, offset, now);
        }
        while let Some((batch, way)) = lanes.next_due(now) {
            way.try_send(batch).unwrap();
        }
        assert_eq!(partitions(&even.try_recv().unwrap()), [0, 2]);
        assert_eq!(partitions(&odd.try_recv().unwrap()), [1, 3]);
    }

    #[test]
    fn an_aged_batch_waits_for_its_own_writer_only() {
        let (mut lanes, [_even, mut odd]) = two_lanes();
        let start = Instant::now();
        let later = start + Duration::from_millis(10);
        push(&mut lanes, 0, 0, start);
        let (batch, to_even) = lanes.next_due(later).unwrap();
        to_even.try_send(batch).unwrap();

        push(&mut lanes, 0, 1, start);
        push(&mut lanes, 1, 0, start);
        assert_eq!(lanes.time_left(start), Some(Duration::from_millis(10)));
        let (batch, to_odd) = lanes.next_due(later).unwrap();
        to_odd.try_send(batch).unwrap();
        assert_eq!(partitions(&odd.try_recv().unwrap()), [1]);
        assert!(lanes.next_due(later).is_none(), "the even writer is busy");

        push(&mut lanes, 2, 0, start);
        let (full, _) = lanes.next_due(later).unwrap();
        assert_eq!(partitions(&full), [0, 2], "a full batch goes all the same");
        assert_eq!(lanes.into_rest().count(), 0);
    }
}
