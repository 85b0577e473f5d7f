//! When each row was written: PostgreSQL notes it itself, in a column that only the schemas of these runs have.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::stores::Postgres;

/// Adds the column. The tables must exist.
pub async fn record(postgres: &Postgres) -> Result<()> {
    let sql = "ALTER TABLE orders
        ADD COLUMN written_at timestamptz NOT NULL DEFAULT clock_timestamp()";
    postgres.execute(sql).await
}

/// The longest that an order of each partition waited for its row, of all that waited within `window`.
pub async fn longest_waits(
    postgres: &Postgres,
    window: &Range<SystemTime>,
) -> Result<BTreeMap<i32, Duration>> {
    let sql = "SELECT partition, extract(epoch FROM max(written_at - placed_at))::float8
        FROM orders JOIN stock_ledger USING (product_id)
        WHERE placed_at < $2 AND written_at > $1 GROUP BY partition";
    let rows = postgres.query(sql, &[&window.start, &window.end]).await?;
    let waits = rows.iter().map(|row| {
        let seconds = row.try_get::<_, f64>(1)?;
        Ok((row.try_get(0)?, Duration::from_secs_f64(seconds.max(0.0))))
    });
    waits.collect()
}

/// Rows a second from when half of them were written.
pub async fn speed_of_second_half(postgres: &Postgres) -> Result<f64> {
    let sql = "WITH half AS (
            SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY written_at) AS time FROM orders
        )
        SELECT count(*) / extract(epoch FROM max(written_at) - min(time))::float8
        FROM orders, half WHERE written_at > time";
    let rows = postgres.query(sql, &[]).await?;
    let speed = rows.first().context("an aggregate has one row")?;
    let speed: Option<f64> = speed.try_get(0)?;
    speed.context("the second half was written at once: the backlog is too small")
}
