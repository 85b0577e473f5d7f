//! How the cost grows with the number of products, rows in the table, partitions, and workers.

use anyhow::Result;
use e2e::sandbox::Sandbox;

use super::Bench;
use super::drain::{ORDERS_PER_SECOND, drain, drain_by};
use super::sql::migrated;
use crate::lab::orders::{Orders, PARTITIONS};
use crate::measure::Measurement;

/// Of the accept path.
const CONNECTIONS: usize = 256;
/// The same for all numbers of partitions.
const SALES: u32 = 96;

/// What the size of the scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Products, whose orders are accepted without a worker.
    Accept,
    /// Products, whose orders are drained.
    Products,
    /// Rows of earlier sales, in the table into which orders are drained.
    Rows,
    /// Partitions of the topic that is drained.
    Partitions,
    /// Workers that drain.
    Workers,
}

impl Growth {
    pub async fn measure(self, bench: &Bench<'_>) -> Result<Measurement> {
        let (size, count) = (bench.size(), ORDERS_PER_SECOND * bench.seconds());
        let orders = match self {
            Self::Accept => return bench.accept_many(size, CONNECTIONS).await,
            Self::Products => Orders::of(size, PARTITIONS, count)?,
            Self::Workers => return drain_by(size, bench, Orders::new(count)?).await,
            Self::Rows => Orders::new(count)?,
            Self::Partitions => Orders::of(SALES, size.cast_signed(), count)?,
        };
        let prepare = async |table: &Sandbox| match self {
            Self::Rows => fill(table, size).await,
            _ => Ok(()),
        };
        drain(bench, orders, prepare).await
    }
}

/// Adds orders of earlier days: a million per day, of as many sales as there are partitions. Their ids begin with the
/// opening time of their sale, as real ids do.
async fn fill(table: &Sandbox, count: u32) -> Result<()> {
    drop(migrated(table).await?);
    let orders = "INSERT INTO orders
            (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status)
        SELECT (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0') || '8'
                || left(md5((n % 12)::text), 3) || '8' || right(md5(n::text), 15))::uuid,
            'past-' || n / 1000000 || '-' || n % 12, 'user-' || n, 1, 1, n, day, 'confirmed'
        FROM generate_series(0, $1::bigint - 1) n,
            LATERAL (SELECT now() - (1 + n / 1000000) * interval '1 day') past(day)";
    let database = table.stores.postgres.connect().await?;
    let count = i64::from(count);
    database.client.execute(orders, &[&count]).await?;
    // PostgreSQL would do this by itself later, and it must not happen during a measurement.
    table
        .stores
        .postgres
        .execute("VACUUM (ANALYZE) orders")
        .await
}
