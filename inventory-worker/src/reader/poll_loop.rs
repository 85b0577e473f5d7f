use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::batch::Record;
use fluxgate_domain::events::{CE_ID, CE_TYPE, Event};
use fluxgate_log::{
    FoundAtMark, GroupError, GroupMembership, LogError, ReadError, ReceivedRecord, TopicReader,
};
use fluxgate_service::traces::{RemoteParent, TRACEPARENT};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::partition_dispatcher::{PartitionDispatcher, Pressure};
use super::partition_state::Arrival;
use super::partitions::Partitions;
use super::{Command, StartOffsets};
use crate::batch::BatchBuilder;
use crate::lag_tracker::LagTracker;
use crate::metrics::Metrics;

/// The longest that one poll waits, so that commands and rebalances are handled soon.
const POLL_MAX: Duration = Duration::from_millis(20);
/// The shortest that one poll waits: an aged batch that waits for its writer must not make the thread spin.
const POLL_MIN: Duration = Duration::from_millis(1);
/// How long a full batch waits before its writer is checked again.
const WRITER_PAUSE: Duration = Duration::from_millis(1);

/// Records that are taken before rebalances and commands are looked at again.
const TAKEN_AT_ONCE_MAX: u32 = 1_000;
/// How often the reader looks at what takes seconds: ends of logs without records, checks without an answer.
const TICK: Duration = Duration::from_secs(1);

/// Makes a client that reads the topic.
pub type Connect = Box<dyn Fn() -> Result<TopicReader, LogError> + Send>;

/// The parts of a reader.
pub struct ReaderParts {
    /// Which partitions to read.
    pub membership: Arc<GroupMembership>,
    /// Makes a client that reads them.
    pub connect: Connect,
    /// How long the group keeps a member that it has lost.
    pub session: Duration,
    /// Finds positions, and sends them back as commands.
    pub start_offsets: StartOffsets,
    /// What others ask of the reader.
    pub commands: mpsc::Receiver<Command>,
    /// Builds batches; its queues are closed when the reader ends.
    pub dispatcher: PartitionDispatcher,
    /// Tracks the lag.
    pub lag: LagTracker,
    /// Counts pauses and lost groups.
    pub metrics: Metrics,
    /// Ends the reading.
    pub shutdown: CancellationToken,
}

/// Reads the log and builds batches. Owns the state of every partition that is read.
pub struct Reader {
    pub(super) parts: ReaderParts,
    /// Reads the partitions.
    pub(super) log: Arc<TopicReader>,
    /// Runs what must not block the polling.
    pub(super) runtime: Handle,
    pub(super) partitions: Partitions,
    /// When the group is asked for rebalances next.
    pub(super) next_group_poll: Instant,
    /// When what takes seconds is looked at next.
    next_tick: Instant,
    /// Whether a read has failed since the last tick.
    pub(super) has_failed: bool,
}

impl Reader {
    /// A reader that reads nothing yet. `runtime` runs what must not block the polling.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(parts: ReaderParts, runtime: Handle) -> Result<Self, LogError> {
        Ok(Self {
            partitions: Partitions::new(parts.session),
            log: Arc::new((parts.connect)()?),
            parts,
            runtime,
            next_group_poll: Instant::now(),
            next_tick: Instant::now(),
            has_failed: false,
        })
    }

    /// Reads until the shutdown; then hands over what it has and ends.
    ///
    /// # Errors
    /// When the group no longer accepts this worker: only a new process can join it.
    pub fn run(mut self) -> Result<(), GroupError> {
        let outcome = self.read();
        self.parts.dispatcher.finish();
        outcome
    }

    fn read(&mut self) -> Result<(), GroupError> {
        let mut log = Arc::clone(&self.log);
        let mut is_drained = true;
        while !self.parts.shutdown.is_cancelled() {
            self.follow_group()?;
            self.follow_commands();
            let now = Instant::now();
            let dispatcher = &mut self.parts.dispatcher;
            dispatcher.hand_over(now, is_drained, &mut self.partitions);
            if self.parts.dispatcher.is_waiting(now) {
                std::thread::sleep(WRITER_PAUSE);
                continue;
            }
            self.relieve_writers(now);
            if now >= self.next_tick {
                self.next_tick = now + TICK;
                self.pass_ends(now);
                self.end_late_checks(now);
                log = Arc::clone(&self.log);
                self.check_after_errors();
            }
            let left = self.parts.dispatcher.time_left(now);
            let wait = left.unwrap_or(POLL_MAX).clamp(POLL_MIN, POLL_MAX);
            is_drained = self.take_fetched(&log, if is_drained { wait } else { Duration::ZERO });
        }
        Ok(())
    }

    /// Takes what is fetched, until a batch is full; before that waits for the first record. True if no record is left.
    fn take_fetched(&mut self, log: &TopicReader, mut wait: Duration) -> bool {
        let mut now = None;
        for _ in 0..TAKEN_AT_ONCE_MAX {
            let fills_batch = match log.poll(wait) {
                Some(Ok(record)) => self.take(&record, *now.get_or_insert_with(Instant::now)),
                Some(Err(error)) => {
                    self.handle_read_error(&error);
                    false
                }
                None => return true,
            };
            if fills_batch {
                return false;
            }
            wait = Duration::ZERO;
        }
        false
    }

    /// Pauses partitions whose writer does not keep up. The thread keeps polling, for the other partitions and so
    /// that the worker stays in its group.
    fn relieve_writers(&mut self, now: Instant) {
        for pressure in self.parts.dispatcher.relieve(now, &mut self.partitions) {
            match pressure {
                Pressure::Pause { partitions, begins } => {
                    if begins {
                        tracing::warn!("PostgreSQL is not keeping up; partitions paused");
                        self.parts.metrics.backpressure_pauses_total.inc();
                    }
                    self.log.pause(&partitions);
                }
                Pressure::Resume { partitions } => {
                    tracing::info!("PostgreSQL is keeping up again; partitions resumed");
                    // The log may have been exchanged while it was not read.
                    for partition in partitions {
                        self.check_in_place(partition);
                    }
                }
            }
        }
    }

    /// Adds a record to the batch of its writer, if it is due; true if the batch is full then.
    fn take(&mut self, received: &ReceivedRecord<'_>, now: Instant) -> bool {
        let (number, offset) = (received.partition(), received.offset());
        let Some(partition) = self.partitions.get_mut(number) else {
            return false;
        };
        let from = match partition.record_arrived(offset, || received.mark()) {
            Arrival::Due(from) => from,
            Arrival::Stale => return false,
            check => {
                self.follow_check(number, check);
                return false;
            }
        };
        if from < offset {
            self.parts.metrics.offset_gaps_total.inc();
        }
        let from = partition.read_from(from);
        let [ce_type, ce_id, traceparent] = received.headers([CE_TYPE, CE_ID, TRACEPARENT]);
        let record = record(received, ce_type, traceparent);
        let timestamp_ms = record.timestamp_ms;
        let builder = self.builder(number);
        let is_first = builder.push(number, from, record, ce_id, now);
        let is_full = builder.is_full();
        if is_first {
            let lag = &self.parts.lag;
            lag.slice_started(number, from.generation, timestamp_ms);
        }
        is_full
    }

    /// Passes the offsets without a record at the ends of logs. Until a record follows they would count as lag.
    fn pass_ends(&mut self, now: Instant) {
        if !self.partitions.any_is_at_end() {
            return;
        }
        for (number, position) in self.log.positions() {
            let Some(partition) = self.partitions.get_mut(number) else {
                continue;
            };
            let Some(from) = partition.pass_to(position) else {
                continue;
            };
            self.parts.metrics.offset_gaps_total.inc();
            let from = partition.read_from(from);
            if self.builder(number).pass(number, from, position, now) {
                let now_ms = Timestamp::now().as_millisecond();
                let lag = &self.parts.lag;
                lag.slice_started(number, from.generation, now_ms);
            }
        }
    }

    /// The batch that takes a partition's records.
    fn builder(&mut self, number: i32) -> &mut BatchBuilder {
        let state = self.partitions.get_mut(number);
        let writer = state.and_then(|state| state.writer);
        let writers = self.parts.dispatcher.writers();
        let writer = writer.unwrap_or_else(|| self.partitions.choose_writer(number, writers));
        self.parts.dispatcher.builder(writer)
    }

    fn handle_read_error(&mut self, error: &ReadError) {
        match error {
            ReadError::EndOfLog(number) => {
                let state = self.partitions.get_mut(*number);
                if state.is_some_and(|partition| !partition.end_reached()) {
                    self.check_again(*number, FoundAtMark::Nothing);
                }
            }
            ReadError::OffsetOutOfRange(_) => {
                tracing::error!(%error, "offset out of range; reloading the positions of all partitions");
                for partition in self.partitions.started() {
                    self.reload(partition);
                }
            }
            ReadError::Kafka(_) => {
                tracing::warn!(%error, "read failed; librdkafka will retry");
                self.has_failed = true;
            }
        }
    }
}

fn record(
    received: &ReceivedRecord<'_>,
    ce_type: Option<&[u8]>,
    traceparent: Option<&[u8]>,
) -> Record {
    let (key, value) = (received.key(), received.payload());
    let event = Event::decode(ce_type, key, value);
    Record::new(
        received.offset(),
        received.timestamp_ms(),
        key,
        value,
        event,
    )
    .with_traceparent(traceparent.and_then(sampled))
}

/// The text of a `traceparent` header, if its trace is sampled.
fn sampled(header: &[u8]) -> Option<&str> {
    RemoteParent::read(header).filter(RemoteParent::is_sampled)?;
    std::str::from_utf8(header).ok()
}
