use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fluxgate_domain::batch::{Batch, Record, RecordMark, Slice};

/// Collects records until there are enough of them, or the first has waited long enough.
#[derive(Debug)]
pub struct BatchBuilder {
    max_rows: usize,
    max_age: Duration,
    rows: usize,
    due_at: Option<Instant>,
    slices: BTreeMap<i32, OpenSlice>,
}

/// Where reading a partition has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadFrom {
    /// The load of the position after which this was read.
    pub generation: u64,
    /// The log number that was loaded with it.
    pub log_number: i32,
    /// The position.
    pub offset: i64,
}

/// A slice that still grows.
#[derive(Debug)]
struct OpenSlice {
    slice: Slice,
    /// The `ce_id` header of the last record.
    ce_id: Option<Vec<u8>>,
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

    /// Adds a record, with its `ce_id` header; true if it is the first of its partition.
    pub fn push(
        &mut self,
        partition: i32,
        from: ReadFrom,
        record: Record,
        ce_id: Option<&[u8]>,
        now: Instant,
    ) -> bool {
        self.rows += 1;
        let (open, is_first) = self.open(partition, from, now);
        open.slice.next = record.offset + 1;
        open.slice.records.push(record);
        open.remember(ce_id);
        is_first
    }

    /// Moves the position to `next`: no offset before it has a record. True if this begins a slice.
    pub fn pass(&mut self, partition: i32, from: ReadFrom, next: i64, now: Instant) -> bool {
        let (open, is_first) = self.open(partition, from, now);
        open.slice.next = next;
        is_first
    }

    /// The slice of a partition, and whether it is new.
    fn open(&mut self, partition: i32, from: ReadFrom, now: Instant) -> (&mut OpenSlice, bool) {
        self.due_at.get_or_insert(now + self.max_age);
        let mut is_new = false;
        let open = self.slices.entry(partition).or_insert_with(|| {
            is_new = true;
            OpenSlice::begin(partition, from)
        });
        (open, is_new)
    }

    /// Discards what was read of a partition; true if there was something.
    pub fn forget(&mut self, partition: i32) -> bool {
        let Some(open) = self.slices.remove(&partition) else {
            return false;
        };
        self.rows -= open.slice.records.len();
        if self.slices.is_empty() {
            self.due_at = None;
        }
        true
    }

    /// Whether there is something to write.
    pub fn has_slices(&self) -> bool {
        !self.slices.is_empty()
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
        let slices = std::mem::take(&mut self.slices).into_values();
        Batch {
            slices: slices.map(OpenSlice::close).collect(),
        }
    }
}

impl OpenSlice {
    fn begin(partition: i32, from: ReadFrom) -> Self {
        let slice = Slice {
            partition,
            generation: from.generation,
            log_number: from.log_number,
            expected: from.offset,
            next: from.offset,
            last: None,
            records: Vec::new(),
        };
        Self { slice, ce_id: None }
    }

    /// Keeps the buffer: this is done for every record, and only the last one counts.
    fn remember(&mut self, ce_id: Option<&[u8]>) {
        match (&mut self.ce_id, ce_id) {
            (Some(buffer), Some(ce_id)) => {
                buffer.clear();
                buffer.extend_from_slice(ce_id);
            }
            (buffer, ce_id) => *buffer = ce_id.map(<[u8]>::to_vec),
        }
    }

    /// The slice, with the mark of its last record.
    fn close(mut self) -> Slice {
        self.slice.last = self.slice.records.last().map(|record| {
            let (key, value) = (record.source.key(), record.source.value());
            let ce_id = self.ce_id.as_deref();
            RecordMark::of(record.offset, record.timestamp_ms, key, ce_id, value)
        });
        self.slice
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::events::Undecodable;

    use super::*;

    fn record(offset: i64) -> Record {
        Record::new(offset, 0, None, None, Err(Undecodable::MissingType))
    }

    fn from(offset: i64) -> ReadFrom {
        ReadFrom {
            generation: 1,
            log_number: 3,
            offset,
        }
    }

    #[test]
    fn a_batch_is_due_by_size_or_by_the_age_of_its_first_record() {
        let start = Instant::now();
        let mut builder = BatchBuilder::new(3, Duration::from_millis(10));
        assert!(!builder.is_due(start + Duration::from_secs(1)), "empty");

        assert!(builder.push(1, from(0), record(0), None, start));
        let later = start + Duration::from_millis(5);
        assert!(!builder.push(1, from(1), record(1), None, later));
        assert!(!builder.is_due(start + Duration::from_millis(9)));
        assert!(builder.is_due(start + Duration::from_millis(10)));

        assert!(builder.push(0, from(0), record(0), None, start));
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
        builder.push(0, from(4), record(7), None, now);
        let slice = &builder.take().slices[0];
        assert_eq!((slice.expected, slice.next), (4, 8));
    }

    #[test]
    fn offsets_without_a_record_are_written_with_the_records_or_alone() {
        let now = Instant::now();
        let mut builder = BatchBuilder::new(10, Duration::ZERO);
        assert!(builder.pass(0, from(4), 6, now));
        assert!(!builder.push(0, from(6), record(6), None, now));
        assert!(!builder.pass(0, from(7), 9, now));
        let slice = &builder.take().slices[0];
        assert_eq!((slice.expected, slice.next, slice.records.len()), (4, 9, 1));

        assert!(builder.pass(0, from(9), 10, now));
        assert!(builder.is_due(now), "no record may follow for long");
        let slice = &builder.take().slices[0];
        assert_eq!(
            (slice.expected, slice.next, slice.records.len()),
            (9, 10, 0)
        );
    }

    #[test]
    fn a_slice_has_the_mark_of_its_last_record() {
        let now = Instant::now();
        let mut builder = BatchBuilder::new(10, Duration::ZERO);
        for (offset, ce_id) in [(4, Some(&b"a longer id"[..])), (5, None), (6, Some(b"id"))] {
            builder.push(0, from(offset), record(offset), ce_id, now);
        }
        builder.pass(0, from(7), 9, now);
        let slice = &builder.take().slices[0];
        let last = RecordMark::of(6, 0, None, Some(b"id"), None);
        assert_eq!((slice.log_number, slice.last), (3, Some(last)));

        builder.pass(0, from(9), 10, now);
        assert_eq!(builder.take().slices[0].last, None);
    }

    #[test]
    fn a_forgotten_partition_leaves_nothing_behind() {
        let now = Instant::now();
        let mut builder = BatchBuilder::new(2, Duration::ZERO);
        builder.push(0, from(0), record(0), None, now);
        builder.push(0, from(1), record(1), None, now);
        assert!(builder.forget(0));
        assert!(!builder.forget(0));
        assert!(!builder.is_due(now + Duration::from_secs(1)));
        assert!(builder.take().is_empty());
    }
}
