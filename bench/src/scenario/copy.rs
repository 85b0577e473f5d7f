//! What PostgreSQL takes at most: the same rows by COPY BINARY into the same table, with nothing
//! else to lock, count or check.

use std::pin::pin;
use std::time::Instant;

use anyhow::{Result, ensure};
use fluxgate_domain::events::OrderReserved;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::{Bench, Scenario};
use crate::cpu;
use crate::measurement::Measurement;
use crate::orders::Orders;
use crate::scenario::drain::{ORDERS_PER_SECOND, PARTITIONS};
use crate::scenario::sql::{BATCH_ROWS, migrated};
use crate::schema::Schema;

const COPY: &str =
    "COPY orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status)
    FROM STDIN BINARY";
const TYPES: [Type; 8] = [
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::INT4,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::TEXT,
];

pub async fn measure(scenario: &Scenario, bench: Bench<'_>) -> Result<Measurement> {
    let lab = bench.lab;
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds, PARTITIONS)?;
    let all: Result<Vec<_>> = (0..orders.count).map(|n| orders.order(n)).collect();
    let all = all?;
    let schema = Schema::create(lab.stack.database_url()?, "copy").await?;
    drop(migrated(&schema).await?);

    let watched = lab.watched()?;
    let (before, started) = (watched.sample()?, Instant::now());
    let mut copied = 0;
    for batch in all.chunks(BATCH_ROWS as usize) {
        copied += copy(&schema.client, batch).await?;
    }
    let (elapsed, after) = (started.elapsed(), watched.sample()?);
    ensure!(copied == u64::from(orders.count), "only {copied} rows");
    schema.discard().await?;
    Ok(Measurement {
        count: copied,
        seconds: elapsed.as_secs_f64(),
        cpu_us: cpu::between(&before, &after),
        ..scenario.measurement(bench.round)
    })
}

/// One batch, committed.
pub async fn copy(client: &Client, batch: &[OrderReserved]) -> Result<u64> {
    let sink = client.copy_in(COPY).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for order in batch {
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
            &order.order_id.as_uuid(),
            &order.product_id.as_str(),
            &order.user_id.as_str(),
            &i32::from(order.quantity.get()),
            &i32::try_from(order.epoch)?,
            &i64::from(order.sequence),
            &order.placed_at,
            &"confirmed",
        ];
        writer.as_mut().write(&row).await?;
    }
    Ok(writer.as_mut().finish().await?)
}
