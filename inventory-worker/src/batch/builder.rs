use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use fluxgate_domain::batch::{Batch, Record, Slice};

/// Collects records until there are enough of them, or the first has waited long enough.
#[derive(Debug)]
pub struct BatchBuilder {
    max_rows: usize,
    max_age: Duration,
    rows: usize,
    due_at: Option<Instant>,
    slices: BTreeMap<i32, Slice>,
}

impl BatchBuilder {
    /// An empty batch that is due at `max_rows` records or after `max_age`.
    pub fn new(max_rows: usize, max_age: Duration) -> Self {
        Self {
            max_rows,
            max_age,
            rows: 0,
            due_at: None,
            slices: BTreeMap::new(),
        }
    }

    /// Adds a record that was read from position `from`; true if it is the first of its partition.
    pub fn push(
        &mut self,
        partition: i32,
        generation: u64,
        from: i64,
        record: Record,
        now: Instant,
    ) -> bool {
        self.rows += 1;
        let (slice, is_first) = self.slice(partition, generation, from, now);
        slice.next = record.offset + 1;
        slice.records.push(record);
        is_first
    }

    /// Moves the position past `offsets`, which have no record; true if this begins a slice.
    pub fn pass(
        &mut self,
        partition: i32,
        generation: u64,
        offsets: Range<i64>,
        now: Instant,
    ) -> bool {
        let (slice, is_first) = self.slice(partition, generation, offsets.start, now);
        slice.next = offsets.end;
        is_first
    }

    /// The slice of a partition, and whether it is new. A new one begins at position `from`.
    fn slice(
        &mut self,
        partition: i32,
        generation: u64,
        from: i64,
        now: Instant,
    ) -> (&mut Slice, bool) {
        self.due_at.get_or_insert(now + self.max_age);
        let mut is_new = false;
        let slice = self.slices.entry(partition).or_insert_with(|| {
            is_new = true;
            Slice {
                partition,
                generation,
                expected: from,
                next: from,
                records: Vec::new(),
            }
        });
        (slice, is_new)
    }

    /// Discards what was read of a partition; true if there was something.
    pub fn forget(&mut self, partition: i32) -> bool {
        let Some(slice) = self.slices.remove(&partition) else {
            return false;
        };
        self.rows -= slice.records.len();
        if self.slices.is_empty() {
            self.due_at = None;
        }
        true
    }

    /// Whether it holds the most records allowed.
    pub fn is_full(&self) -> bool {
        self.rows >= self.max_rows
    }

    /// Whether it should be written now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_full() || self.due_at.is_some_and(|due_at| due_at <= now)
    }

    /// How long it may still wait, if it holds anything.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        self.due_at
            .map(|due_at| due_at.saturating_duration_since(now))
    }

    /// Takes the batch; the builder is empty afterwards.
    pub fn take(&mut self) -> Batch {
        self.rows = 0;
        self.due_at = None;
        Batch {
            slices: std::mem::take(&mut self.slices).into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::events::Undecodable;

    use super::*;

    fn record(offset: i64) -> Record {
        Record::new(offset, 0, None, None, Err(Undecodable::MissingType))
    }

    #[test]
    fn a_batch_is_due_by_size_or_by_the_age_of_its_first_record() {
        let start = Instant::now();
        let mut builder = BatchBuilder::new(3, Duration::from_millis(10));
        assert!(!builder.is_due(start + Duration::from_secs(1)), "empty");

        assert!(builder.push(1, 1, 0, record(0), start));
        assert!(!builder.push(1, 1, 1, record(1), start + Duration::from_millis(5)));
        assert!(!builder.is_due(start + Duration::from_millis(9)));
        assert!(builder.is_due(start + Duration::from_millis(10)));

        assert!(builder.push(0, 1, 0, record(0), start));
        assert!(builder.is_full());
        let batch = builder.take();
        assert_eq!(batch.len(), 3);
        assert_eq!(
            batch.slices[0].partition, 0,
            "slices are ordered by partition"
        );
        assert!(builder.take().is_empty());
    }

    #[test]
    fn a_gap_in_the_log_belongs_to_the_slice_that_passed_it() {
        let now = Instant::now();
        let mut builder = BatchBuilder::new(10, Duration::ZERO);
        builder.push(0, 1, 4, record(7), now);
        let slice = &builder.take().slices[0];
        assert_eq!((slice.expected, slice.next), (4, 8));
    }

    #[test]
    fn offsets_without_a_record_are_written_with_the_records_or_alone() {
        let now = Instant::now();
        let mut builder = BatchBuilder::new(10, Duration::ZERO);
        assert!(builder.pass(0, 1, 4..6, now));
        assert!(!builder.push(0, 1, 6, record(6), now));
        assert!(!builder.pass(0, 1, 7..9, now));
        let slice = &builder.take().slices[0];
        assert_eq!((slice.expected, slice.next, slice.records.len()), (4, 9, 1));

        assert!(builder.pass(0, 1, 9..10, now));
        assert!(builder.is_due(now), "no record may follow for long");
        let slice = &builder.take().slices[0];
        assert_eq!(
            (slice.expected, slice.next, slice.records.len()),
            (9, 10, 0)
        );
    }

    #[test]
    fn a_forgotten_partition_leaves_nothing_behind() {
        let now = Instant::now();
        let mut builder = BatchBuilder::new(2, Duration::ZERO);
        builder.push(0, 1, 0, record(0), now);
        builder.push(0, 1, 1, record(1), now);
        assert!(builder.forget(0));
        assert!(!builder.forget(0));
        assert!(!builder.is_due(now + Duration::from_secs(1)));
        assert!(builder.take().is_empty());
    }
}
