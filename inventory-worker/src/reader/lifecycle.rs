//! The life of a partition: assigned, started, reloaded, halted, revoked.

use std::time::{Duration, Instant};

use fluxgate_domain::batch::Position;
use fluxgate_log::{GroupError, Rebalance};

use super::partition_state::{Halt, LoadTask, Reading};
use super::{Command, Reader};

/// How often the group is asked for rebalances while records keep arriving.
const GROUP_POLL_INTERVAL: Duration = Duration::from_millis(10);

impl Reader {
    /// Follows the rebalances of the group since the last call.
    pub(super) fn follow_group(&mut self) -> Result<(), GroupError> {
        let now = Instant::now();
        if now < self.next_group_poll {
            return Ok(());
        }
        self.next_group_poll = now + GROUP_POLL_INTERVAL;
        for rebalance in self.parts.membership.rebalances()? {
            tracing::info!(kafka.rebalance = ?rebalance, "partition assignment changed");
            match rebalance {
                Rebalance::Assigned(partitions) => {
                    for partition in self.partitions.assign(partitions, now) {
                        self.parts.lag.assigned(partition);
                        self.load(partition);
                    }
                    // What was written while the group had lost this worker was not committed.
                    for (partition, next) in self.parts.lag.positions() {
                        self.parts.membership.commit(partition, next);
                    }
                }
                Rebalance::Revoked(partitions) => {
                    partitions.into_iter().for_each(|it| self.give_up(it));
                }
                Rebalance::Lost(partitions) => {
                    self.parts.metrics.group_losses_total.inc();
                    self.partitions.lose(&partitions);
                }
            }
        }
        for partition in self.partitions.ended(now) {
            self.give_up(partition);
        }
        Ok(())
    }

    /// Follows the commands since the last call.
    pub(super) fn follow_commands(&mut self) {
        while let Ok(command) = self.parts.commands.try_recv() {
            match command {
                Command::Start {
                    partition,
                    generation,
                    position,
                } if self.partitions.is_current(partition, generation) => {
                    self.start(partition, &position);
                }
                Command::Halted {
                    partition,
                    generation,
                    reason,
                } if self.partitions.is_current(partition, generation) => {
                    self.halt(partition, Halt::UntilAccepted, &reason);
                }
                Command::Reload {
                    partition,
                    generation,
                } if self.partitions.is_current(partition, generation) => {
                    self.reload_or_give_up(partition);
                }
                Command::PositionChanged { partition }
                    if self.partitions.follows_position(partition) =>
                {
                    self.reload(partition);
                }
                Command::CheckInPlace { partition } if self.partitions.is_read(partition) => {
                    self.check_in_place(partition);
                }
                Command::Halt {
                    partition,
                    generation,
                    reason,
                } if self.partitions.is_current(partition, generation) => {
                    self.halt(partition, Halt::UntilRestart, &reason);
                }
                outdated => tracing::debug!(?outdated, "outdated command ignored"),
            }
        }
    }

    /// Starts a new generation of a partition that is not being read.
    fn load(&mut self, number: i32) {
        let generation = self.partitions.next_generation();
        let seen = self.partitions.get_mut(number).and_then(|it| it.seen);
        let start_offsets = self.parts.start_offsets.clone();
        let finding = start_offsets.find(number, generation, seen);
        let task = LoadTask::from(self.runtime.spawn(finding).abort_handle());
        let reading = Reading::Loading(task);
        self.partitions
            .begin_generation(number, generation, reading);
    }

    fn start(&mut self, number: i32, position: &Position) {
        let offset = position.start();
        if let Err(error) = self.log.start(number, offset) {
            tracing::warn!(kafka.partition = number, %error, "failed to start reading; retrying");
            return self.reload(number);
        }
        tracing::debug!(
            kafka.partition = number,
            kafka.offset = offset,
            "reading started"
        );
        if let Some(partition) = self.partitions.get_mut(number) {
            partition.started(position, Instant::now());
        }
        self.parts.lag.positioned(number, position);
        self.parts.membership.commit(number, position.next);
    }

    /// Starts reading at `next` again and keeps what was read before it: librdkafka has passed offsets without handing
    /// out a record.
    pub(super) fn start_again(&mut self, number: i32, next: i64) {
        tracing::debug!(
            kafka.partition = number,
            kafka.offset = next,
            "no record at this offset; reading it once more"
        );
        self.log.stop(number);
        if let Err(error) = self.log.start(number, next) {
            tracing::warn!(kafka.partition = number, %error, "failed to start reading; retrying");
            self.reload(number);
        }
    }

    /// Looks again at the last record that was handed over, before reading goes on behind it.
    pub(super) fn check_in_place(&mut self, number: i32) {
        let handed = self.partitions.get_mut(number).and_then(|it| it.handed);
        let Some((mark, next)) = handed else {
            return self.reload(number);
        };
        self.stop_reading(number);
        if let Err(error) = self.log.start(number, mark.offset) {
            tracing::warn!(kafka.partition = number, %error, "failed to start reading; retrying");
            return self.reload(number);
        }
        if let Some(partition) = self.partitions.get_mut(number) {
            partition.verify(mark, next, Instant::now());
        }
    }

    /// Another worker has written the partition, or the database was restored.
    fn reload_or_give_up(&mut self, number: i32) {
        if self.partitions.is_assigned(number) {
            self.reload(number);
        } else {
            self.give_up(number);
        }
    }

    pub(super) fn reload(&mut self, number: i32) {
        self.stop_reading(number);
        self.load(number);
    }

    fn halt(&mut self, number: i32, halt: Halt, reason: &str) {
        tracing::error!(kafka.partition = number, reason, "partition halted");
        self.stop_reading(number);
        self.parts.lag.halted(number, halt, reason);
        // A new generation, so that batches of the old one that are still to be written cannot start it again.
        let generation = self.partitions.next_generation();
        self.partitions
            .begin_generation(number, generation, Reading::Halted(halt));
    }

    fn give_up(&mut self, number: i32) {
        self.stop_reading(number);
        self.partitions.remove(number);
        self.parts.lag.revoked(number);
    }

    /// Stops reading and discards what was read and not handed over.
    fn stop_reading(&mut self, number: i32) {
        let Some(partition) = self.partitions.get_mut(number) else {
            return;
        };
        partition.is_paused = false;
        if let Some(writer) = partition.writer
            && self.parts.dispatcher.builder(writer).forget(number)
        {
            self.parts.lag.slice_discarded(number);
        }
        if partition.is_started() {
            self.log.stop(number);
        }
    }
}
