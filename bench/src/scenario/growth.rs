//! Measures how the cost grows with the number of products, rows in the table, and partitions.

use anyhow::{Context, Result};
use e2e::sandbox::Sandbox;

use super::Bench;
use super::drain::Drain;
use super::sql::migrated;
use crate::lab::orders::PARTITIONS;
use crate::load::Requests;
use crate::measure::Measurement;
use crate::measure::cpu::Part;

/// Of the accept path.
const CONNECTIONS: usize = 256;
/// The same for all numbers of partitions.
const SALES: u32 = 96;

/// The size that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// The same load over more products: accepting without a worker, then a drain.
    Products,
    /// The same drain into a table with more rows of earlier sales. The drained orders stay in the table.
    Rows,
    /// The same drain on more partitions.
    Partitions,
}

impl Growth {
    pub async fn measure(self, bench: &Bench<'_>) -> Result<Vec<Measurement>> {
        let (sizes, scenario) = match self {
            Self::Products => (&bench.sizes.products, "drain by products"),
            Self::Rows => (&bench.sizes.rows, "drain by rows"),
            Self::Partitions => (&bench.sizes.partitions, "drain by partitions"),
        };
        let mut measured = Vec::new();
        let table = bench.sandbox().await?;
        if self == Self::Rows {
            table.stores.topic.create(PARTITIONS).await?;
            drop(migrated(&table).await?);
        }
        for &size in sizes {
            eprintln!("bench: {scenario}: {size}");
            let mut drain = Drain::of(bench);
            let one = match self {
                Self::Products => {
                    measured.push(accept(bench, size).await?);
                    drain.sales = size;
                    drain.measure(bench).await?
                }
                Self::Partitions => {
                    (drain.sales, drain.partitions) = (SALES, size.cast_signed());
                    drain.measure(bench).await?
                }
                Self::Rows => {
                    fill(&table, size).await?;
                    let mut one = drain.measure_in(bench, &table).await?;
                    one.add(
                        "table and index, MiB",
                        table_bytes(&table).await? / 1_048_576.0,
                    );
                    one
                }
            };
            measured.push(Measurement {
                scenario,
                label: size.to_string(),
                ..one
            });
        }
        table.discard().await?;
        Ok(measured)
    }
}

async fn accept(bench: &Bench<'_>, count: u32) -> Result<Measurement> {
    let (side, run) = (bench.side(), format!("growth-{count}-{}", bench.round));
    let products: Vec<_> = (0..count).map(|n| format!("{run}-{n}")).collect();
    for product in &products {
        side.open_sale(product).await?;
    }
    let requests = Requests::orders(products, &run);
    Ok(Measurement {
        scenario: "accept by products",
        label: count.to_string(),
        tested: &[Part::Api],
        ..bench.closed(&side.api, CONNECTIONS, requests).await?
    })
}

/// Adds orders of earlier days until there are `wanted`: a million per day, of as many sales as there are partitions.
/// Their ids begin with the opening time of their sale, as real ids do.
async fn fill(table: &Sandbox, wanted: u32) -> Result<()> {
    let orders = "INSERT INTO orders
            (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status)
        SELECT (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0') || '8'
                || left(md5((n % 12)::text), 3) || '8' || right(md5(n::text), 15))::uuid,
            'past-' || n / 1000000 || '-' || n % 12, 'user-' || n, 1, 1, n, day, 'confirmed'
        FROM generate_series((SELECT count(*) FROM orders), $1::bigint - 1) n,
            LATERAL (SELECT now() - (1 + n / 1000000) * interval '1 day') past(day)";
    let database = table.stores.postgres.connect().await?;
    let wanted = i64::from(wanted);
    database.client.execute(orders, &[&wanted]).await?;
    // PostgreSQL would do this by itself later, and it must not happen during a measurement.
    let clean = "VACUUM (ANALYZE) orders";
    table.stores.postgres.execute(clean).await
}

/// With the index.
async fn table_bytes(table: &Sandbox) -> Result<f64> {
    let size = "SELECT pg_total_relation_size('orders')::float8";
    let database = table.stores.postgres.connect().await?;
    let row = database.client.query_one(size, &[]).await?;
    row.try_get(0).context("a size")
}
