//! The ceiling of PostgreSQL: the same rows by COPY BINARY into the same table, without locks, counts or checks.

use std::pin::pin;

use anyhow::Result;
use fluxgate_domain::events::OrderReserved;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::Bench;
use super::drain::ORDERS_PER_SECOND;
use super::sql::{BATCH_ROWS, migrated};
use crate::lab::orders::Orders;
use crate::measure::Measurement;

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

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds())?;
    let all = (0..orders.count).map(|n| orders.order(n));
    let all: Vec<_> = all.collect::<Result<_>>()?;
    let sandbox = bench.sandbox().await?;
    drop(migrated(&sandbox).await?);
    let database = sandbox.stores.postgres.connect().await?;

    let copying = async {
        let mut copied = 0;
        for batch in all.chunks(BATCH_ROWS) {
            copied += copy(&database.client, batch).await?;
        }
        Ok(copied)
    };
    let measured = bench.timed(orders.count, copying).await;
    sandbox.discard().await?;
    measured
}

/// One batch, committed.
async fn copy(client: &Client, batch: &[OrderReserved]) -> Result<u64> {
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
