use std::sync::OnceLock;
use std::time::{Duration, Instant};

use prometheus::IntGauge;

use super::breaker::{Breaker, Change, millis};
use crate::PublisherSettings;

/// Most partitions with a breaker of their own; further ones share. The most that `inventory-worker migrate` creates.
const PARTITIONS_MAX: usize = 10_000;
/// Bounds of the time without an acknowledgement after which a partition with messages in flight counts as stalled.
const STALL_MIN: Duration = Duration::from_secs(1);
const STALL_MAX: Duration = Duration::from_secs(5);

/// A circuit breaker for each partition: a partition without a leader must not keep the others' orders in the outbox.
#[derive(Debug)]
pub struct Breakers {
    /// By partition; made when the first message for the partition is published.
    by_partition: Box<[OnceLock<Box<Breaker>>]>,
    created_at: Instant,
    stall: Duration,
    /// How many are open.
    open: IntGauge,
}

impl Breakers {
    /// Breakers that are closed, and count in `open` those that are not.
    pub fn new(settings: &PublisherSettings, open: IntGauge) -> Self {
        let message_timeout = Duration::from_millis(settings.kafka_message_timeout_ms);
        Self {
            by_partition: (0..PARTITIONS_MAX).map(|_| OnceLock::new()).collect(),
            created_at: Instant::now(),
            stall: (message_timeout / 2).clamp(STALL_MIN, STALL_MAX),
            open,
        }
    }

    /// The breakers' clock.
    pub fn now_ms(&self) -> u64 {
        self.ms_of(Instant::now())
    }

    /// The breaker of a partition, if a message may be sent to it now.
    pub fn admit(&self, partition: i32, now_ms: u64) -> Option<&Breaker> {
        let breaker = self.of(partition);
        self.show(partition, breaker.check_stall(now_ms));
        breaker.admits(now_ms).then_some(breaker)
    }

    /// A message to `partition` that was handed over at `sent_at` was acknowledged at `now`.
    pub fn acknowledged(&self, partition: i32, sent_at: Instant, now: Instant) {
        let latency = now.saturating_duration_since(sent_at);
        let change = self
            .of(partition)
            .acknowledged(self.ms_of(now), millis(latency));
        self.show(partition, change);
    }

    /// The delivery of a message to `partition` failed.
    pub fn failed(&self, partition: i32, is_kafkas_fault: bool) {
        let change = self.of(partition).failed(self.now_ms(), is_kafkas_fault);
        self.show(partition, change);
    }

    /// These partitions have a leader.
    pub fn have_leaders(&self, partitions: impl Iterator<Item = i32>) {
        let now_ms = self.now_ms();
        for partition in partitions {
            if let Some(breaker) = self.by_partition[index(partition)].get() {
                self.show(partition, breaker.has_leader(now_ms));
            }
        }
    }

    /// Whether the breaker of a partition is open.
    pub fn is_open(&self, partition: i32) -> bool {
        self.of(partition).is_open()
    }

    /// The partitions whose breakers are open. Notices stalls although nothing is published.
    pub fn open_partitions(&self) -> Vec<i32> {
        let now_ms = self.now_ms();
        let made = (0_i32..).zip(&self.by_partition);
        let made = made.filter_map(|(partition, it)| Some((partition, it.get()?)));
        made.inspect(|(partition, it)| self.show(*partition, it.check_stall(now_ms)))
            .filter_map(|(partition, it)| it.is_open().then_some(partition))
            .collect()
    }

    fn of(&self, partition: i32) -> &Breaker {
        let breaker = &self.by_partition[index(partition)];
        breaker.get_or_init(|| Box::new(Breaker::new(self.stall)))
    }

    fn show(&self, partition: i32, change: Change) {
        match change {
            Change::None => {}
            Change::Opened => {
                self.open.inc();
                tracing::warn!(
                    kafka.partition = partition,
                    "Kafka does not acknowledge messages; circuit opened and publishing to the partition suspended"
                );
            }
            Change::Closed => {
                self.open.dec();
                tracing::info!(kafka.partition = partition, "circuit closed");
            }
        }
    }

    fn ms_of(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.created_at))
    }
}

fn index(partition: i32) -> usize {
    partition.unsigned_abs() as usize % PARTITIONS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_one_partition_leave_the_others_closed() {
        let settings = PublisherSettings {
            publish_wait_ms: 500,
            kafka_message_timeout_ms: 5_000,
            kafka_linger_ms: 1.0,
        };
        let breakers = Breakers::new(&settings, IntGauge::new("open", "test").unwrap());
        let send = |partition| {
            let now_ms = breakers.now_ms();
            let breaker = breakers.admit(partition, now_ms);
            breaker.inspect(|breaker| breaker.sent(now_ms)).is_some()
        };
        for partition in [3, 9_999, 3, 3] {
            assert!(send(partition));
            breakers.failed(partition, true);
        }
        assert_eq!(breakers.open_partitions(), [3]);
        assert_eq!(breakers.open.get(), 1);
        assert!(send(3), "a probe");
        assert!(!send(3));
        assert!(send(0));
        assert!(send(9_999));

        let now = Instant::now();
        breakers.acknowledged(3, now, now);
        assert!(send(3));
        assert!(breakers.open_partitions().is_empty());
        assert_eq!(breakers.open.get(), 0);
    }
}
