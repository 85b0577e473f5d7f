//! How fast PostgreSQL executes the worker's own statements: batches in memory, written through the worker's store over
//! as many connections as the worker has, without Kafka and without decoding.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::sandbox::Sandbox;
use fluxgate_domain::batch::{Batch, Record};
use fluxgate_ledger::{Ledger, LedgerError};
use fluxgate_service::settings::PostgresSettings;
use inventory_worker::batch::{BatchBuilder, ReadFrom};
use tokio::task::JoinSet;

use super::Bench;
use super::drain::ORDERS_PER_SECOND;
use crate::lab::orders::{Orders, PARTITIONS};
use crate::measure::Measurement;

/// The worker's default of BATCH_MAX_ROWS.
pub const BATCH_ROWS: usize = 5_000;
/// The worker's default of BATCH_WRITERS.
const WRITERS: usize = 2;
const TOPIC: &str = "orders";
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds())?;
    let sandbox = bench.sandbox().await?;
    let store = migrated(&sandbox).await?;
    for partition in 0..PARTITIONS {
        store.position(TOPIC, partition).await?;
    }
    let batches = batches(&orders)?;
    let measured = bench.timed(orders.count, write(&store, batches)).await;
    drop(store);
    sandbox.discard().await?;
    measured
}

/// Each writer's batches over a connection of its own; returns the number of rows.
async fn write(store: &Ledger, batches: [Vec<Batch>; WRITERS]) -> Result<u64> {
    let mut writers = JoinSet::new();
    for batches in batches {
        let store = store.clone();
        writers.spawn(async move {
            let mut confirmed = 0;
            for batch in &batches {
                confirmed += store.write(TOPIC, batch).await?.confirmed;
            }
            Ok::<_, LedgerError>(confirmed)
        });
    }
    let mut confirmed = 0;
    while let Some(written) = writers.join_next().await {
        confirmed += written??;
    }
    Ok(confirmed)
}

/// A store with the worker's tables in the schema of this sandbox.
pub async fn migrated(sandbox: &Sandbox) -> Result<Ledger> {
    let settings = PostgresSettings {
        database_url: sandbox.settings()["DATABASE_URL"].clone(),
        database_ca_file: None,
    };
    let store = Ledger::connect(&settings, "bench", u32::try_from(WRITERS)?, FLUSH_TIMEOUT)?;
    store.migrate().await?;
    Ok(store)
}

/// The batches of each writer, which has every second partition, as the worker builds them of a log with the openings of
/// all sales and then all orders.
fn batches(orders: &Orders) -> Result<[Vec<Batch>; WRITERS]> {
    let (now, mut ends) = (Instant::now(), [0; PARTITIONS as usize]);
    let new = || BatchBuilder::new(BATCH_ROWS, FLUSH_TIMEOUT);
    let mut builders: [BatchBuilder; WRITERS] = std::array::from_fn(|_| new());
    let mut batches = [const { Vec::new() }; WRITERS];
    for event in orders.openings().chain(orders.events()) {
        let (partition, event) = event?;
        let end = &mut ends[usize::try_from(partition)?];
        let writer = usize::try_from(partition)? % WRITERS;
        let record = Record::new(*end, 0, None, None, Ok(event));
        let from = ReadFrom {
            generation: 1,
            log_number: 0,
            offset: *end,
        };
        builders[writer].push(partition, from, record, None, now);
        *end += 1;
        if builders[writer].is_full() {
            batches[writer].push(builders[writer].take());
        }
    }
    for (batches, mut rest) in batches.iter_mut().zip(builders) {
        batches.push(rest.take());
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_each_other_on_every_partition() {
        let orders = Orders::new(20_006).unwrap();
        let all = batches(&orders).unwrap();
        let rows: usize = all.iter().flatten().map(Batch::len).sum();
        assert_eq!(rows, 20_006 + PARTITIONS as usize);
        let [first, second] = [&all[0][0], &all[0][1]];
        for (first, second) in first.slices.iter().zip(&second.slices) {
            assert_eq!(
                (first.partition, first.next),
                (second.partition, second.expected)
            );
        }
        assert_eq!(first.slices[0].expected, 0);
    }
}
