//! The same drain into a table that holds more and more rows of earlier sales. The rounds follow each other
//! at each size, so the table grows by their rows too.

use anyhow::{Context, Result};
use fluxgate_domain::events::OrderReserved;
use jiff::{Timestamp, ToSpan};

use super::result::Point;
use super::{Arguments, drained};
use crate::drain::{self, Drain};
use crate::lab::Lab;
use crate::orders::{Orders, Sales};
use crate::scenario::copy::copy;
use crate::scenario::sql::migrated;
use crate::schema::Schema;

const PARTITIONS: i32 = 12;
/// Orders of one earlier day, over as many sales as there are partitions.
const A_DAY: u32 = 1_000_000;
/// Rows in one transaction.
const BATCH_ROWS: usize = 50_000;

pub async fn measure(lab: &Lab, arguments: &Arguments) -> Result<Vec<Point>> {
    let schema = Schema::create(lab.stack.database_url()?, "rows").await?;
    drop(migrated(&schema).await?);
    let (mut points, mut days) = (Vec::new(), 0);
    for rows in &arguments.rows {
        fill(&schema, *rows, &mut days).await?;
        for round in 1..=arguments.rounds {
            eprintln!("bench: {rows} rows, round {round}");
            let log = lab.folder.join("drain.log");
            let drain = Drain {
                orders: arguments.orders,
                sales: PARTITIONS.cast_unsigned(),
                partitions: PARTITIONS,
                kafka_brokers: lab.stack.kafka_brokers()?,
                database_url: &schema.url,
                log: &log,
            };
            let name = format!("{}_{rows}_{round}", schema.name);
            let done = drain::measure_into(drain, &schema, &name, &lab.watched()?).await?;
            let mut point = drained(*rows, round, arguments.orders, done);
            point.table_bytes = Some(table_bytes(&schema).await?);
            points.push(point);
        }
    }
    schema.discard().await?;
    Ok(points)
}

/// Adds rows of earlier days until there are so many.
async fn fill(schema: &Schema, wanted: u32, days: &mut i64) -> Result<()> {
    let count = "SELECT count(*) FROM orders";
    let there: i64 = schema.client.query_one(count, &[]).await?.try_get(0)?;
    let mut missing = u32::try_from(i64::from(wanted).saturating_sub(there).max(0))?;
    if missing == 0 {
        return Ok(());
    }
    eprintln!("bench: {missing} rows more");
    while missing > 0 {
        *days += 1;
        let today = missing.min(A_DAY);
        copy_day(schema, *days, today).await?;
        missing -= today;
    }
    // As the server does by itself some time later; it must not fall into a measurement.
    let clean = "VACUUM (ANALYZE) orders";
    Ok(schema.client.batch_execute(clean).await?)
}

/// The orders of sales that opened so many days ago: their ids begin with that time.
async fn copy_day(schema: &Schema, days_ago: i64, count: u32) -> Result<()> {
    let name = format!("past-{days_ago}");
    let sales = Sales {
        name: &name,
        count: PARTITIONS.cast_unsigned(),
        partitions: PARTITIONS,
        opened_at: Timestamp::now().checked_sub((24 * days_ago).hours())?,
    };
    let orders = Orders::of(sales, count)?;
    let mut copied = 0;
    let mut batch: Vec<OrderReserved> = Vec::with_capacity(BATCH_ROWS);
    for n in 0..count {
        batch.push(orders.order(n)?);
        if batch.len() == BATCH_ROWS || n + 1 == count {
            copied += copy(&schema.client, &batch).await?;
            batch.clear();
        }
    }
    anyhow::ensure!(copied == u64::from(count), "only {copied} rows");
    Ok(())
}

/// With its index.
async fn table_bytes(schema: &Schema) -> Result<u64> {
    let size = "SELECT pg_total_relation_size('orders')";
    let bytes: i64 = schema.client.query_one(size, &[]).await?.try_get(0)?;
    u64::try_from(bytes).context("sizes are not negative")
}
