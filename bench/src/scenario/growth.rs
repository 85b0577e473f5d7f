//! Measures how the cost grows with the number of products, rows in the table, and partitions.

use std::time::Duration;

use anyhow::{Context, Result};

use super::drain::Drain;
use super::sql::migrated;
use super::{Bench, sampled, told};
use crate::lab::Schema;
use crate::load::{Requests, closed};
use crate::measure::Measurement;

/// Of the accept path.
const CONNECTIONS: usize = 256;
/// The same for all numbers of partitions.
const SALES: u32 = 96;

/// The size that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    Products,
    Rows,
    Partitions,
}

impl Growth {
    pub async fn measure(self, bench: &mut Bench<'_>) -> Result<Vec<Measurement>> {
        match self {
            Self::Products => products(bench).await,
            Self::Rows => rows(bench).await,
            Self::Partitions => partitions(bench).await,
        }
    }
}

/// The same load over more products: accepting without a worker, then a drain.
async fn products(bench: &mut Bench<'_>) -> Result<Vec<Measurement>> {
    let mut measured = Vec::new();
    for count in bench.sizes.products.clone() {
        eprintln!("bench: {count} products");
        let side = bench.side();
        let run = format!("growth-{count}-{}", bench.round);
        let products: Vec<_> = (0..count).map(|n| format!("{run}-{n}")).collect();
        for product in &products {
            side.open_sale(product).await?;
        }
        let limit = (Duration::from_secs(bench.seconds().into()), u64::MAX);
        let requests = Requests::orders_of(products, &run);
        let load = closed((side.api.address, CONNECTIONS), limit, requests);
        let answered = sampled(&bench.watched()?, load).await?;
        measured.push(told(answered, bench.empty("accept by products", count)));

        let drain = Drain {
            sales: count,
            ..Drain::of(bench)
        };
        let empty = bench.empty("drain by products", count);
        measured.push(drain.measure(bench, empty).await?);
    }
    Ok(measured)
}

/// The same drain on more partitions.
async fn partitions(bench: &mut Bench<'_>) -> Result<Vec<Measurement>> {
    let mut measured = Vec::new();
    for partitions in bench.sizes.partitions.clone() {
        eprintln!("bench: {partitions} partitions");
        let drain = Drain {
            sales: SALES,
            partitions,
            ..Drain::of(bench)
        };
        let empty = bench.empty("drain by partitions", partitions);
        measured.push(drain.measure(bench, empty).await?);
    }
    Ok(measured)
}

/// The same drain into a table with more rows of earlier sales. The drained orders stay in the table.
async fn rows(bench: &mut Bench<'_>) -> Result<Vec<Measurement>> {
    let schema = Schema::create(&bench.lab.stack.database_url, "rows").await?;
    drop(migrated(&schema).await?);
    let mut measured = Vec::new();
    for rows in bench.sizes.rows.clone() {
        fill(&schema, rows).await?;
        let name = format!("{}_{rows}", schema.name);
        let empty = bench.empty("drain by rows", rows);
        let drain = Drain::of(bench);
        let mut one = drain.measure_into(bench, &schema, &name, empty).await?;
        one.more.insert(
            "table and index, MiB",
            table_bytes(&schema).await? / 1_048_576.0,
        );
        measured.push(one);
    }
    schema.discard().await?;
    Ok(measured)
}

/// Adds orders of earlier days until there are `wanted`: a million per day, of as many sales as there are partitions.
/// Their ids begin with the opening time of their sale, as real ids do.
async fn fill(schema: &Schema, wanted: u32) -> Result<()> {
    eprintln!("bench: {wanted} rows");
    let orders = "INSERT INTO orders
            (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status)
        SELECT (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0') || '8'
                || left(md5((n % 12)::text), 3) || '8' || right(md5(n::text), 15))::uuid,
            'past-' || n / 1000000 || '-' || n % 12, 'user-' || n, 1, 1, n, day, 'confirmed'
        FROM generate_series((SELECT count(*) FROM orders), $1::bigint - 1) n,
            LATERAL (SELECT now() - (1 + n / 1000000) * interval '1 day') past(day)";
    schema.client.execute(orders, &[&i64::from(wanted)]).await?;
    // PostgreSQL would do this by itself later, and it must not happen during a measurement.
    let clean = "VACUUM (ANALYZE) orders";
    Ok(schema.client.batch_execute(clean).await?)
}

/// With the index.
async fn table_bytes(schema: &Schema) -> Result<f64> {
    let size = "SELECT pg_total_relation_size('orders')::float8";
    let row = schema.client.query_one(size, &[]).await?;
    row.try_get(0).context("a size")
}
