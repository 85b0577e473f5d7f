//! What PostgreSQL takes from the worker's own statements: batches that lie in memory, written through
//! the worker's store over as many connections as the worker has, no Kafka and no decoding in between.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::events::Event;
use inventory_worker::batch::{Batch, Content, Record, Slice};
use inventory_worker::config::DatabaseSettings;
use inventory_worker::store::{Store, WriteError};
use tokio::task::JoinSet;

use super::{Bench, Scenario};
use crate::cpu;
use crate::measurement::Measurement;
use crate::orders::Orders;
use crate::scenario::drain::{ORDERS_PER_SECOND, PARTITIONS};
use crate::schema::Schema;

/// As the worker's own BATCH_MAX_ROWS.
pub const BATCH_ROWS: u32 = 5_000;
/// As the worker's own BATCH_WRITERS.
pub const WRITERS: u32 = 2;
const FLUSH_TIMEOUT_MS: u64 = 10_000;

pub async fn measure(scenario: &Scenario, bench: Bench<'_>) -> Result<Measurement> {
    let lab = bench.lab;
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds, PARTITIONS)?;
    let schema = Schema::create(lab.stack.database_url()?, "sql").await?;
    let (store, topic) = (migrated(&schema).await?, "orders");
    for partition in orders.partitions() {
        store.position(topic, partition).await?;
    }
    let (openings, batches) = (openings(&orders)?, batches(&orders)?);
    store.write(topic, &openings).await?;

    let watched = lab.watched()?;
    let (before, started) = (watched.sample()?, Instant::now());
    let mut writers = JoinSet::new();
    for batches in batches {
        let store = store.clone();
        writers.spawn(async move {
            let mut confirmed = 0;
            for batch in &batches {
                confirmed += store.write(topic, batch).await?.confirmed;
            }
            Ok::<_, WriteError>(confirmed)
        });
    }
    let mut confirmed = 0;
    while let Some(written) = writers.join_next().await {
        confirmed += written??;
    }
    let (elapsed, after) = (started.elapsed(), watched.sample()?);
    ensure!(
        confirmed == u64::from(orders.count),
        "only {confirmed} rows"
    );
    drop(store);
    schema.discard().await?;
    Ok(Measurement {
        count: confirmed,
        seconds: elapsed.as_secs_f64(),
        cpu_us: cpu::between(&before, &after),
        ..scenario.measurement(bench.round)
    })
}

/// A store with the worker's tables in this schema.
pub async fn migrated(schema: &Schema) -> Result<Store> {
    let settings = DatabaseSettings {
        database_url: schema.url.clone(),
        database_ca_file: None,
        flush_timeout_ms: FLUSH_TIMEOUT_MS,
    };
    let store = Store::connect(&settings, WRITERS)?;
    store.migrate().await?;
    Ok(store)
}

fn openings(orders: &Orders) -> Result<Batch> {
    let slices = orders
        .openings()
        .map(|opening| opening.map(|(partition, event)| slice(partition, 0, vec![event])));
    Ok(Batch {
        slices: slices.collect::<Result<_>>()?,
    })
}

/// Each writer's batches. All its partitions are in every one, as when one worker reads them all.
fn batches(orders: &Orders) -> Result<Vec<Vec<Batch>>> {
    (0..WRITERS)
        .map(|writer| batches_of(writer, orders))
        .collect()
}

fn batches_of(writer: u32, orders: &Orders) -> Result<Vec<Batch>> {
    // Behind the openings.
    let mut positions: Vec<i64> = orders.partitions().map(|_| 1).collect();
    let mut batches = Vec::new();
    let mut ours = Vec::new();
    for n in 0..orders.count {
        if orders.partition_of(n)?.unsigned_abs() % WRITERS == writer {
            ours.push(n);
        }
    }
    for some in ours.chunks(BATCH_ROWS as usize) {
        let mut events: Vec<Vec<Event>> = vec![Vec::new(); positions.len()];
        for &n in some {
            let partition = usize::try_from(orders.partition_of(n)?)?;
            events[partition].push(Event::OrderReserved(orders.order(n)?));
        }
        let mut slices = Vec::new();
        for (partition, events) in orders.partitions().zip(events) {
            let position = positions
                .get_mut(usize::try_from(partition)?)
                .context("every partition has a position")?;
            let slice = slice(partition, *position, events);
            *position = slice.next;
            slices.push(slice);
        }
        slices.retain(|slice| !slice.records.is_empty());
        batches.push(Batch { slices });
    }
    Ok(batches)
}

fn slice(partition: i32, from: i64, events: Vec<Event>) -> Slice {
    let records: Vec<Record> = (from..)
        .zip(events)
        .map(|(offset, event)| Record {
            offset,
            timestamp_ms: 0,
            key: None,
            value: None,
            content: Content::Event(event),
            remote_parent: None,
        })
        .collect();
    Slice {
        partition,
        generation: 1,
        expected: from,
        next: from + records.len() as i64,
        records,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_each_other_on_every_partition() {
        let orders = Orders::new(2 * BATCH_ROWS + 6, 4).unwrap();
        let [batches, others] = batches(&orders).unwrap().try_into().unwrap();
        let rows: Vec<_> = batches.iter().map(Batch::len).collect();
        assert_eq!(rows, [BATCH_ROWS as usize, 3]);
        assert_eq!(others[1].len(), 3);
        for (first, second) in batches[0].slices.iter().zip(&batches[1].slices) {
            assert_eq!(first.partition, second.partition);
            assert_eq!(first.next, second.expected);
        }
        assert_eq!(batches[0].slices[0].expected, 1);
    }
}
