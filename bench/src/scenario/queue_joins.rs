//! A crowd that joins the queue of a sale before its start, as fast as it can: what it costs in Redis, and how many join per second.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::stores::queue_keys;
use serde_json::json;
use tokio::time::sleep;

use super::Bench;
use super::bench::told;
use super::queued_sale::QueuedSale;
use crate::lab::STOP_LIMIT;
use crate::load::{Requests, closed};
use crate::measure::Measurement;
use crate::measure::processes::resident_kib;

const PEOPLE: u32 = 1_000_000;
/// Longest that all of them may take to join, and long before the start.
const JOIN_LIMIT: Duration = Duration::from_secs(600);
const STARTS_IN: Duration = Duration::from_secs(3_600);
/// The state that is shown is renewed four times a second.
const SETTLE: Duration = Duration::from_secs(1);
/// The scenario fails if Redis needs more for the queue, however many have joined.
const KIB_MAX: f64 = 64.0;
/// Five standard errors of the number that the queue shows.
const ESTIMATE_ERROR_PERCENT_MAX: f64 = 4.0;

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let mut sale = QueuedSale::open(bench, STARTS_IN, json!({"admitPerSecond": 100})).await?;
    sale.state().await?;
    let (product, before) = (sale.product.as_str(), resident_kib(sale.api.pid())?);
    let everybody = Requests::joins(product, PEOPLE.into());
    let over = (sale.api.address()?, bench.size() as usize);
    let joining = closed(over, JOIN_LIMIT, everybody);
    let mut measured = told(&sale.watched(bench)?, joining).await?;
    let joined = measured.count - measured.errors;
    ensure!(joined == u64::from(PEOPLE), "only {joined} have joined");

    let mut bytes = 0;
    for key in queue_keys(&sale.product) {
        let usage = ["MEMORY", "USAGE", &key, "SAMPLES", "0"];
        let redis = &bench.side.sandbox.stores.redis;
        bytes += redis
            .command::<Option<u64>>(&usage)
            .await?
            .unwrap_or_default();
    }
    ensure!(bytes > 0, "Redis has no queue");
    measured.add_limited("Redis, KiB of the queue", bytes as f64 / 1_024.0, KIB_MAX);
    let grown = resident_kib(sale.api.pid())? as f64 - before as f64;
    measured.add("API, MiB more", grown / 1_024.0);
    sleep(SETTLE).await;
    let shown = sale.state().await?["joined"].as_f64().unwrap_or_default();
    let error = (shown / f64::from(PEOPLE) - 1.0).abs() * 100.0;
    measured.add_limited(
        "joined, shown: wrong by %",
        error,
        ESTIMATE_ERROR_PERCENT_MAX,
    );
    sale.api.stop(STOP_LIMIT).await?;
    Ok(measured)
}
