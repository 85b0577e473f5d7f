use anyhow::Result;
use serde::Serialize;

use crate::lab::Lab;
use crate::memory;
use crate::redis::Redis;
use crate::statistics::slope;

/// KiB at a moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Seconds since the first order was due.
    pub at: f64,
    pub api_kib: u64,
    pub worker_kib: u64,
    /// Data and buffers, as Redis counts them.
    pub redis_kib: u64,
    pub kafka_kib: u64,
    /// All its processes, what they share once.
    pub postgres_kib: u64,
}

pub type Of = fn(&Sample) -> u64;

/// Everybody whose memory is looked at.
pub const ALL: [(&str, Of); 5] = [
    ("ingest-api", |it| it.api_kib),
    ("inventory-worker", |it| it.worker_kib),
    ("Redis, used_memory", |it| it.redis_kib),
    ("Kafka", |it| it.kafka_kib),
    ("PostgreSQL", |it| it.postgres_kib),
];

pub async fn look(lab: &Lab, redis: &Redis, at: f64) -> Result<Sample> {
    Ok(Sample {
        at: at.max(0.0),
        api_kib: memory::resident_kib(lab.api.pid())?,
        worker_kib: memory::resident_kib(lab.worker()?.pid())?,
        redis_kib: redis.used_bytes().await? / 1_024,
        kafka_kib: memory::resident_kib(lab.stack.pid("kafka")?)?,
        postgres_kib: memory::tree_kib(lab.stack.pid("postgres")?)?,
    })
}

/// MiB a minute over the second half: the first one is for caches and pools to fill.
pub fn growth(samples: &[Sample], of: Of) -> f64 {
    let half = &samples[samples.len() / 2..];
    let points: Vec<_> = half
        .iter()
        .map(|it| (it.at / 60.0, of(it) as f64 / 1_024.0))
        .collect();
    slope(&points).unwrap_or_default()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The API grows all the time, the worker in the first half only.
    pub fn samples() -> Vec<Sample> {
        let sample = |n: u64| Sample {
            at: n as f64 * 5.0,
            api_kib: 10_240 + n * 1_024,
            worker_kib: 20_480 + n.min(10) * 1_024,
            redis_kib: 1_024,
            kafka_kib: 1_024,
            postgres_kib: 1_024,
        };
        (0..40).map(sample).collect()
    }

    #[test]
    fn growth_is_that_of_the_second_half() {
        let of = |n: usize| growth(&samples(), ALL[n].1);
        assert!((of(0) - 12.0).abs() < 1e-6);
        assert_eq!(of(1), 0.0);
    }
}
