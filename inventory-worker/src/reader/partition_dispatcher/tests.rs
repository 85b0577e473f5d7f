use fluxgate_domain::batch::Record;
use fluxgate_domain::events::Undecodable;

use super::super::partition_state::Reading;
use super::*;
use crate::batch::ReadFrom;

const AGE: Duration = Duration::from_millis(10);
const INTERVAL: Duration = Duration::from_millis(4);

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
        dispatcher: PartitionDispatcher::new(builders, INTERVAL),
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
        self.dispatcher.hand_over(now, false, &mut self.partitions);
    }

    /// As after a poll that found no record.
    fn hand_over_drained(&mut self, now: Instant) {
        self.dispatcher.hand_over(now, true, &mut self.partitions);
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

#[test]
fn what_has_come_is_handed_over_at_once_if_the_writer_had_no_batch_for_an_interval() {
    let (mut reader, mut writers) = reader(2);
    let start = Instant::now();
    reader.push(0, 0, start);
    reader.hand_over(start);
    assert!(
        found(&mut writers[0]).is_empty(),
        "more is waiting to be read"
    );
    assert_eq!(reader.dispatcher.time_left(start), Some(Duration::ZERO));
    reader.hand_over_drained(start);
    assert_eq!(found(&mut writers[0]), [0]);

    let soon = start + INTERVAL / 2;
    reader.push(0, 1, soon);
    reader.push(1, 0, soon);
    reader.hand_over_drained(soon);
    assert!(found(&mut writers[0]).is_empty(), "it had a batch just now");
    assert_eq!(found(&mut writers[1]), [1], "this one had none");
    assert_eq!(reader.dispatcher.time_left(soon), Some(INTERVAL / 2));
    reader.hand_over_drained(start + INTERVAL);
    assert_eq!(found(&mut writers[0]), [0]);
    reader.hand_over_drained(start + 2 * INTERVAL);
    assert!(found(&mut writers[0]).is_empty(), "nothing has come");
}
