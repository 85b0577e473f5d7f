//! One worker, from a full topic to committed rows.

use anyhow::Result;

use super::{Bench, Scenario};
use crate::drain::{self, Drain};
use crate::measurement::Measurement;

pub const PARTITIONS: i32 = 12;
pub const ORDERS_PER_SECOND: u32 = 100_000;

pub async fn measure(scenario: &Scenario, bench: Bench<'_>) -> Result<Measurement> {
    let (lab, orders) = (bench.lab, ORDERS_PER_SECOND * bench.seconds);
    let log = lab.folder.join("drain.log");
    let drain = Drain {
        orders,
        sales: PARTITIONS.cast_unsigned(),
        partitions: PARTITIONS,
        kafka_brokers: lab.stack.kafka_brokers()?,
        database_url: lab.stack.database_url()?,
        log: &log,
    };
    let drained = drain::measure(drain, &lab.watched()?).await?;
    lab.memory.worker_saw(drained.worker_peak_kib);
    Ok(Measurement {
        count: orders.into(),
        seconds: drained.elapsed.as_secs_f64(),
        cpu_us: drained.cpu_us,
        more: [(
            "worker's peak memory, MiB".to_owned(),
            (drained.worker_peak_kib / 1_024) as f64,
        )]
        .into(),
        ..scenario.measurement(bench.round)
    })
}
