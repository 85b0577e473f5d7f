//! What is written in one transaction: the records of one or more partitions.

mod position;
mod record;

use std::collections::HashMap;

pub use position::{PartitionOffset, Position, RecordMark};
pub use record::{Content, Record, Source};

/// The consecutive records of one partition in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The partition.
    pub partition: i32,
    /// The load of the partition's position after which the records were read.
    pub generation: u64,
    /// The log number that PostgreSQL must hold.
    pub log_number: i32,
    /// The position that PostgreSQL must hold before.
    pub expected: i64,
    /// The position afterwards.
    pub next: i64,
    /// The last of the records; `None` if there are none, or if it was not computed.
    pub last: Option<RecordMark>,
    /// The records, in offset order.
    pub records: Vec<Record>,
}

/// Slices of different partitions, written in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Ordered by partition: every transaction locks positions in this order.
    pub slices: Vec<Slice>,
}

impl Batch {
    /// Records in all slices.
    pub fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.records.len()).sum()
    }

    /// Whether there are no slices.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Turns records into dead letters, each for its reason.
    pub fn mark_dead_letters(&mut self, refused: &[(PartitionOffset, &'static str)]) {
        let reasons: HashMap<_, _> = refused.iter().copied().collect();
        for slice in &mut self.slices {
            for record in &mut slice.records {
                if let Some(reason) = reasons.get(&record.place(slice.partition)) {
                    record.mark_dead_letter(reason);
                }
            }
        }
    }

    /// All records, with the partition of each.
    pub fn records(&self) -> impl Iterator<Item = (i32, &Record)> {
        self.slices
            .iter()
            .flat_map(|slice| slice.records.iter().map(|record| (slice.partition, record)))
    }

    /// Removes the slices of these partitions.
    pub fn remove(&mut self, partitions: &[i32]) {
        self.slices
            .retain(|slice| !partitions.contains(&slice.partition));
    }

    /// Two halves that, written one after the other, have the same effect as this batch. A single record cannot be
    /// split: its second half is empty.
    pub fn split(mut self) -> (Self, Self) {
        if self.slices.len() > 1 {
            let second = self.slices.split_off(self.slices.len() / 2);
            return (self, Self { slices: second });
        }
        match self.slices.pop() {
            Some(slice) if slice.records.len() > 1 => {
                let (first, second) = slice.split();
                (first.into(), second.into())
            }
            whole => (
                Self {
                    slices: whole.into_iter().collect(),
                },
                Self::default(),
            ),
        }
    }
}

impl From<Slice> for Batch {
    fn from(slice: Slice) -> Self {
        Self {
            slices: vec![slice],
        }
    }
}

impl Slice {
    fn split(mut self) -> (Self, Self) {
        let second = self.records.split_off(self.records.len() / 2);
        let border = second.first().map_or(self.next, |record| record.offset);
        let rest = Self {
            partition: self.partition,
            generation: self.generation,
            log_number: self.log_number,
            expected: border,
            next: self.next,
            last: self.last,
            records: second,
        };
        self.next = border;
        self.last = None;
        (self, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::events::Undecodable;

    fn mark(offset: i64) -> RecordMark {
        RecordMark::of(offset, 0, None, None, None)
    }

    fn slice(partition: i32, offsets: &[i64]) -> Slice {
        let record = |&offset| Record::new(offset, 0, None, None, Err(Undecodable::MissingType));
        Slice {
            partition,
            generation: 1,
            log_number: 2,
            expected: offsets[0],
            next: offsets[offsets.len() - 1] + 1,
            last: Some(mark(offsets[offsets.len() - 1])),
            records: offsets.iter().map(record).collect(),
        }
    }

    #[test]
    fn halves_follow_each_other_without_a_gap_until_every_record_is_alone() {
        let mut whole = vec![Batch {
            slices: vec![slice(0, &[5, 6, 9]), slice(3, &[1, 2])],
        }];
        while let Some(at) = whole.iter().position(|batch| batch.len() > 1) {
            let (first, second) = whole.remove(at).split();
            whole.insert(at, second);
            whole.insert(at, first);
        }
        let slices: Vec<_> = whole
            .iter()
            .map(|batch| &batch.slices[0])
            .map(|slice| (slice.partition, slice.expected, slice.next))
            .collect();
        assert_eq!(
            slices,
            [(0, 5, 6), (0, 6, 9), (0, 9, 10), (3, 1, 2), (3, 2, 3)]
        );
        let slices = || whole.iter().map(|batch| &batch.slices[0]);
        assert!(slices().all(|slice| slice.log_number == 2));
        let marks: Vec<_> = slices().map(|slice| slice.last).collect();
        assert_eq!(marks, [None, None, Some(mark(9)), None, Some(mark(2))]);
    }

    #[test]
    fn a_single_record_cannot_be_split() {
        let (first, second) = Batch::from(slice(0, &[5])).split();
        assert_eq!(first.len(), 1);
        assert!(second.is_empty());
    }
}
