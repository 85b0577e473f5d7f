//! Measures, for each order, the time from when it was due until another connection to PostgreSQL sees its row.
//!
//! Ids are derived, so they are known in advance and the rows can be looked up by primary key. A latency is too long
//! by up to the pause between two look-ups and one query, and never too short.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio_postgres::Client;
use uuid::Uuid;

use super::Bench;
use super::bench::told;
use super::probes::Probes;
use crate::load::{Requests, Schedule, constant, order_id, soon};
use crate::measure::{Latency, Measurement};

const PER_SECOND: u32 = 2_000;
/// Longer than the other scenarios.
const TIMES: u32 = 2;
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(1);
/// After the last order was due.
const GRACE: Duration = Duration::from_secs(20);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let (side, seconds) = (bench.side, bench.seconds() * TIMES);
    let product = bench.unique();
    let opened_at = side.open_sale(&product).await?;
    let ids = (0..u64::from(PER_SECOND * seconds))
        .map(|n| Ok(order_id(&product, opened_at, n)?.as_uuid()));
    let ids: Vec<Uuid> = ids.collect::<Result<_>>()?;
    let database = side.sandbox.stores.postgres.connect().await?;

    let mut probes = Probes::new(side).await?;

    let schedule = soon(PER_SECOND, seconds);
    let sending = constant(side.api.address()?, schedule, Requests::known(&product));
    let mut rows_us = Vec::new();
    let both = async {
        let watching = watch(&database.client, schedule, &ids);
        let probing = probes.run_until(schedule.due(schedule.count));
        let (tally, seen, ()) = tokio::try_join!(sending, watching, probing)?;
        rows_us = seen;
        Ok(tally)
    };
    let mut measured = told(&bench.watched()?, both).await?;

    let without_row = ids.len() - rows_us.len();
    let http = measured.latency_ms.context("no order was sent")?;
    measured.errors = measured.errors.max(without_row as u64);
    measured.latency_ms = Latency::of_us(rows_us);
    probes.add_to(&mut measured);
    measured.add("without a row", without_row as f64);
    measured.add("HTTP answer p50, ms", http.p50);
    measured.add("HTTP answer p99, ms", http.p99);
    probes.discard().await?;
    Ok(measured)
}

/// The time from when each order was due until its row was seen, in microseconds; `None` for an order without a row.
async fn watch(database: &Client, schedule: Schedule, ids: &[Uuid]) -> Result<Vec<u32>> {
    let look = "SELECT order_id FROM orders WHERE order_id = ANY($1)";
    let look = database.prepare(look).await?;
    let deadline = schedule.due(schedule.count) + GRACE;
    let (mut latencies, mut awaited, mut due) = (Vec::new(), Vec::<usize>::new(), 0);
    while (due < ids.len() || !awaited.is_empty()) && Instant::now() < deadline {
        let now_due = usize::try_from(schedule.due_by(Instant::now()))?;
        awaited.extend(due..now_due);
        due = now_due;
        let asked: Vec<Uuid> = awaited.iter().map(|n| ids[*n]).collect();
        let rows = database.query(&look, &[&asked]).await?;
        let seen_at = Instant::now();
        let seen: Result<HashSet<Uuid>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let seen = seen?;
        awaited.retain(|n| {
            let is_seen = seen.contains(&ids[*n]);
            if is_seen {
                let latency = seen_at.duration_since(schedule.due(*n as u64));
                latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
            }
            !is_seen
        });
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
    Ok(latencies)
}
