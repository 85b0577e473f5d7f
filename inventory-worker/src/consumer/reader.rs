use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::events::{CE_TYPE, Event};
use fluxgate_service::traces::{RemoteParent, TRACEPARENT};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::claims::Claims;
use super::lanes::{Lanes, Pressure};
use super::loader::Loader;
use super::partition::{Arrival, Loading, Partition, State};
use super::{Command, Log, Member, Rebalance};
use crate::batch::Record;
use crate::metrics::Metrics;
use crate::progress::Progress;

/// The longest that one poll waits, so that commands and rebalances are never far away.
const POLL_MAX: Duration = Duration::from_millis(20);
/// The shortest: an aged batch that waits for the writer must not make the thread spin.
const POLL_MIN: Duration = Duration::from_millis(1);
/// How long a full batch is left alone before its writer is asked again whether it is free.
const WRITER_PAUSE: Duration = Duration::from_millis(1);
/// How often the group is asked for news while records keep coming.
const NEWS_INTERVAL: Duration = Duration::from_millis(10);

/// What a reader is made of.
pub struct ReaderParts {
    /// Says which partitions to read.
    pub member: Arc<Member>,
    /// Reads them.
    pub log: Arc<Log>,
    /// None yet.
    pub claims: Claims,
    /// Finds positions; it also carries the sending side of `commands`.
    pub loader: Loader,
    /// What others want.
    pub commands: mpsc::Receiver<Command>,
    /// Where batches are built and go; closed when the reader ends.
    pub lanes: Lanes,
    /// Where lag is noted.
    pub progress: Progress,
    /// Where pauses are counted.
    pub metrics: Metrics,
    /// Ends the reading.
    pub shutdown: CancellationToken,
}

/// Reads the log and builds batches; owns all that is known of the partitions.
pub struct Reader {
    parts: ReaderParts,
    runtime: Handle,
    partitions: HashMap<i32, Partition>,
    generation: u64,
    news_at: Instant,
}

impl Reader {
    /// A reader that owns nothing yet. `runtime` runs what must not block the polling.
    pub fn new(parts: ReaderParts, runtime: Handle) -> Self {
        Self {
            parts,
            runtime,
            partitions: HashMap::new(),
            generation: 0,
            news_at: Instant::now(),
        }
    }

    /// Reads until told to stop; then hands over what it has and ends.
    ///
    /// # Errors
    /// When the group will not have this worker any more: only a new process can join it.
    pub fn run(mut self) -> KafkaResult<()> {
        let outcome = self.read();
        self.parts.lanes.finish();
        outcome
    }

    fn read(&mut self) -> KafkaResult<()> {
        let log = Arc::clone(&self.parts.log);
        while !self.parts.shutdown.is_cancelled() {
            self.follow_group()?;
            self.follow_commands();
            let now = Instant::now();
            self.parts.lanes.hand_over(now);
            if self.parts.lanes.is_waiting(now) {
                std::thread::sleep(WRITER_PAUSE);
                continue;
            }
            self.relieve(now);
            let left = self.parts.lanes.time_left(now);
            match log.next(left.unwrap_or(POLL_MAX).clamp(POLL_MIN, POLL_MAX)) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => self.note(&error),
                None => {}
            }
        }
        Ok(())
    }

    /// Stops reading for writers that do not keep up. The thread goes on polling, for the others, and
    /// so that the worker stays in its group.
    fn relieve(&mut self, now: Instant) {
        let partitions = &self.partitions;
        let is_read = |it: i32| partitions.get(&it).is_some_and(Partition::is_running);
        for pressure in self.parts.lanes.pressure(now, is_read) {
            match pressure {
                Pressure::Pause { partitions, begins } => {
                    if begins {
                        tracing::warn!("PostgreSQL does not keep up; partitions are paused");
                        self.parts.metrics.backpressure_pauses_total.inc();
                    }
                    self.parts.log.pause(partitions);
                }
                Pressure::Resume { partitions } => {
                    tracing::info!("partitions are resumed");
                    self.parts.log.resume(partitions);
                }
            }
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let (number, offset) = (message.partition(), message.offset());
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        let from = match partition.arrived(offset) {
            Arrival::Due(from) => from,
            Arrival::Stale => return,
            Arrival::Gap => {
                tracing::warn!(
                    kafka.partition = number,
                    kafka.offset = offset,
                    "records missing"
                );
                return self.reload(number);
            }
        };
        let timestamp_ms = message.timestamp().to_millis().unwrap_or_default();
        let (mut ce_type, mut traceparent) = (None, None);
        for header in message.headers().into_iter().flat_map(|it| it.iter()) {
            match header.key {
                CE_TYPE if ce_type.is_none() => ce_type = header.value,
                TRACEPARENT => traceparent = header.value,
                _ => {}
            }
        }
        let event = Event::decode(ce_type, message.key(), message.payload());
        let record = Record::new(
            offset,
            timestamp_ms,
            message.key(),
            message.payload(),
            event,
        )
        .of(traceparent.and_then(RemoteParent::read));
        let generation = partition.generation;
        let builder = self.parts.lanes.builder_of(number);
        if builder.push(number, generation, from, record, Instant::now()) {
            self.parts.progress.begun(number, generation, timestamp_ms);
        }
    }

    fn follow_group(&mut self) -> KafkaResult<()> {
        let now = Instant::now();
        if now < self.news_at {
            return Ok(());
        }
        self.news_at = now + NEWS_INTERVAL;
        for rebalance in self.parts.member.news()? {
            tracing::info!(kafka.rebalance = ?rebalance, "partitions moved");
            match rebalance {
                Rebalance::Assigned(partitions) => {
                    for partition in self.parts.claims.given(partitions, now) {
                        self.parts.progress.assigned(partition);
                        self.load(partition);
                    }
                    // What was written while the group had lost us, it was not told.
                    for (partition, next) in self.parts.progress.positions() {
                        self.parts.member.wrote(partition, next);
                    }
                }
                Rebalance::Revoked(partitions) => {
                    partitions.into_iter().for_each(|it| self.give_up(it));
                }
                Rebalance::Lost(partitions) => {
                    self.parts.metrics.group_losses_total.inc();
                    self.parts.claims.lost(&partitions);
                }
            }
        }
        for partition in self.parts.claims.ended(now) {
            self.give_up(partition);
        }
        Ok(())
    }

    fn give_up(&mut self, number: i32) {
        self.stop_reading(number);
        self.partitions.remove(&number);
        self.parts.lanes.give_up(number);
        self.parts.claims.remove(number);
        self.parts.progress.revoked(number);
    }

    fn follow_commands(&mut self) {
        while let Ok(command) = self.parts.commands.try_recv() {
            match command {
                Command::Start {
                    partition,
                    generation,
                    offset,
                } if self.is_current(partition, generation) => self.start(partition, offset),
                Command::Reload {
                    partition,
                    generation,
                } if self.is_current(partition, generation) => self.missed(partition),
                Command::Restored { partition }
                    if self
                        .partitions
                        .get(&partition)
                        .is_some_and(Partition::is_running) =>
                {
                    self.reload(partition);
                }
                Command::Halt {
                    partition,
                    generation,
                    reason,
                } if self.is_current(partition, generation) => self.halt(partition, &reason),
                outdated => tracing::debug!(?outdated, "a command came too late"),
            }
        }
    }

    fn is_current(&self, partition: i32, generation: u64) -> bool {
        let owned = self.partitions.get(&partition);
        owned.is_some_and(|partition| partition.generation == generation)
    }

    /// Begins a new generation of a partition that is not being read.
    fn load(&mut self, number: i32) {
        self.generation += 1;
        let generation = self.generation;
        let loading = self.parts.loader.clone().load(number, generation);
        let loading = Loading::by(self.runtime.spawn(loading).abort_handle());
        let state = State::Loading(loading);
        self.partitions
            .insert(number, Partition { generation, state });
    }

    fn start(&mut self, number: i32, offset: i64) {
        if let Err(error) = self.parts.log.read(number, offset) {
            tracing::warn!(kafka.partition = number, %error, "could not begin to read");
            return self.reload(number);
        }
        tracing::debug!(kafka.partition = number, kafka.offset = offset, "reading");
        self.parts.progress.positioned(number, offset);
        self.parts.member.wrote(number, offset);
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.state = State::Running {
                next: offset,
                fresh: true,
            };
        }
    }

    /// Somebody else has written the partition.
    fn missed(&mut self, number: i32) {
        if self.parts.claims.holds(number) {
            self.reload(number);
        } else {
            self.give_up(number);
        }
    }

    fn reload(&mut self, number: i32) {
        self.stop_reading(number);
        self.load(number);
    }

    fn halt(&mut self, number: i32, reason: &str) {
        tracing::error!(kafka.partition = number, reason, "partition halted");
        self.stop_reading(number);
        self.parts.progress.halted(number);
        // A new generation, so that what is still on its way to be written cannot set it going again.
        self.generation += 1;
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.generation = self.generation;
            partition.state = State::Halted;
        }
    }

    fn stop_reading(&mut self, number: i32) {
        if self.parts.lanes.stop(number) {
            self.parts.progress.taken_back(number);
        }
        if self
            .partitions
            .get(&number)
            .is_some_and(Partition::is_running)
        {
            self.parts.log.stop(number);
        }
    }

    fn running(&self) -> impl Iterator<Item = i32> {
        let running = self.partitions.iter().filter(|(_, it)| it.is_running());
        running.map(|(number, _)| *number)
    }

    fn note(&mut self, error: &KafkaError) {
        let out_of_log = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
        );
        if out_of_log {
            // The error does not say which partition: look at all of them.
            tracing::error!(%error, "a position is outside its log");
            let running: Vec<i32> = self.running().collect();
            running
                .into_iter()
                .for_each(|partition| self.reload(partition));
        } else {
            tracing::warn!(%error, "reading failed; librdkafka tries again");
        }
    }
}
