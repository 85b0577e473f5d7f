//! How fast PostgreSQL executes the worker's own statements: batches in memory, written through the worker's store over
//! as many connections as the worker has, without Kafka and without decoding.

use std::time::Duration;

use anyhow::Result;
use fluxgate_domain::batch::{Batch, Content, Record, Slice};
use fluxgate_domain::events::Event;
use fluxgate_ledger::{Ledger, LedgerError};
use fluxgate_service::settings::PostgresSettings;
use tokio::task::JoinSet;

use super::drain::{ORDERS_PER_SECOND, PARTITIONS};
use super::{Bench, timed};
use crate::lab::Schema;
use crate::lab::orders::Orders;
use crate::measure::Measurement;

/// The worker's default of BATCH_MAX_ROWS.
pub const BATCH_ROWS: u32 = 5_000;
/// The worker's default of BATCH_WRITERS.
pub const WRITERS: u32 = 2;
const TOPIC: &str = "orders";
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds(), PARTITIONS)?;
    let schema = Schema::create(&bench.lab.stack.database_url, "sql").await?;
    let store = migrated(&schema).await?;
    for partition in orders.partitions() {
        store.position(TOPIC, partition).await?;
    }
    let (openings, batches) = (openings(&orders)?, batches(&orders)?);
    store.write(TOPIC, &openings).await?;

    let measured = timed(bench, "sql", orders.count, write(&store, batches)).await;
    drop(store);
    schema.discard().await?;
    measured
}

/// Each writer's batches over a connection of its own; returns the number of rows.
async fn write(store: &Ledger, batches: Vec<Vec<Batch>>) -> Result<u64> {
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

/// A store with the worker's tables in this schema.
pub async fn migrated(schema: &Schema) -> Result<Ledger> {
    let settings = PostgresSettings {
        database_url: schema.url.clone(),
        database_ca_file: None,
    };
    let store = Ledger::connect(&settings, "bench", WRITERS, FLUSH_TIMEOUT)?;
    store.migrate().await?;
    Ok(store)
}

/// One batch with the opening of each sale, at the first position of its partition.
fn openings(orders: &Orders) -> Result<Batch> {
    let slices = orders.openings().map(|opening| {
        let (partition, event) = opening?;
        Ok(slice(partition, 0, vec![event]))
    });
    Ok(Batch {
        slices: slices.collect::<Result<_>>()?,
    })
}

/// The batches of each writer. Every batch has the same number of records of each of its partitions, as if one worker
/// read all of them.
fn batches(orders: &Orders) -> Result<Vec<Vec<Batch>>> {
    let (partitions, count) = (PARTITIONS.cast_unsigned(), orders.count);
    let each = BATCH_ROWS * WRITERS / partitions;
    let batch = |writer: u32, first: u32| {
        let of_partition = |partition: u32| {
            let all = (first..first + each).map(|nth| nth * partitions + partition);
            let events = all
                .filter(|n| *n < count)
                .map(|n| Ok(Event::OrderReserved(orders.order(n)?)));
            // Behind the opening.
            let position = i64::from(first) + 1;
            Ok(slice(
                partition.cast_signed(),
                position,
                events.collect::<Result<_>>()?,
            ))
        };
        let slices = (writer..partitions)
            .step_by(WRITERS as usize)
            .map(of_partition);
        let mut slices = slices.collect::<Result<Vec<_>>>()?;
        slices.retain(|slice| !slice.records.is_empty());
        Ok(Batch { slices })
    };
    let firsts = || (0..count.div_ceil(partitions)).step_by(each as usize);
    let writer = |writer| firsts().map(|first| batch(writer, first)).collect();
    (0..WRITERS).map(writer).collect()
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
            traceparent: None,
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
        let orders = Orders::new(2 * BATCH_ROWS + 6, PARTITIONS).unwrap();
        let all = batches(&orders).unwrap();
        let rows: usize = all.iter().flatten().map(Batch::len).sum();
        assert_eq!(rows, 2 * BATCH_ROWS as usize + 6);
        let [first, second] = [&all[0][0], &all[0][1]];
        for (first, second) in first.slices.iter().zip(&second.slices) {
            assert_eq!(
                (first.partition, first.next),
                (second.partition, second.expected)
            );
        }
        assert_eq!(first.slices[0].expected, 1);
    }
}
