//! Measures event streams: what an open one costs, how soon it shows a change, what orders cost beside many of them, and how
//! many clients come back at once when the instance stops.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::process::Process;
use tokio::time::sleep;

use super::Bench;
use super::bench::{sampled, told};
use crate::lab::STOP_LIMIT;
use crate::load::connection::Connection;
use crate::load::streams::Streams;
use crate::load::{Requests, constant, soon};
use crate::measure::processes::{Part, Watched, resident_kib};
use crate::measure::{Latency, Measurement};

/// Orders per second beside the streams, which then show a change four times a second.
const PER_SECOND: u32 = 500;
const SECONDS: u32 = 10;
/// Single changes whose way to all streams is timed.
const CHANGES: u32 = 40;
/// The scenario fails if a stream takes more KiB of the API, or shows a change later.
const KIB_PER_STREAM_MAX: f64 = 32.0;
const SHOWN_AFTER_MS_MAX: f64 = 500.0;
const WARM_UP_SECONDS: u32 = 5;
const SETTLE: Duration = Duration::from_secs(2);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let (side, product) = (bench.side, bench.unique());
    side.open_sale(&product).await?;
    let settings = side.settings.clone();
    let mut instance = side
        .build
        .start("ingest-api", "ingest-api-streams", settings)
        .await?;
    let warm_up = Requests::mixed(&product, &format!("{product}-warm-up"));
    constant(instance.address()?, soon(2_000, WARM_UP_SECONDS), warm_up).await?;

    let without = resident_kib(instance.pid())?;
    let opened = Streams::open(instance.address()?, &product, bench.size()).await;
    let (mut streams, remaining) = opened?;
    sleep(SETTLE).await;
    let idle = resident_kib(instance.pid())?;
    let mut watched = Watched::default();
    watched.add(Part::Api, instance.pid());
    let changing = shown_after_us(bench, &mut streams, &product, remaining);
    let (mut late_us, cpu) = sampled(&watched, changing).await?;

    let per_second = bench.per_second.unwrap_or(PER_SECOND);
    let schedule = soon(per_second, bench.seconds.unwrap_or(SECONDS));
    let orders = Requests::orders(vec![product.clone()], &format!("{product}-beside"));
    let beside = constant(instance.address()?, schedule, orders);
    let mut measured = told(&watched, beside).await?;

    let events = f64::from(CHANGES) * f64::from(bench.size());
    measured.add("API, CPU us per event", cpu[&Part::Api] as f64 / events);
    measured.add("API, MiB: without streams", without as f64 / 1_024.0);
    let kib = (idle as f64 - without as f64) / f64::from(bench.size());
    measured.add_limited("KiB per stream: API", kib, KIB_PER_STREAM_MAX);
    late_us.sort_unstable();
    let last = late_us.last().copied().unwrap_or_default();
    let last_ms = f64::from(last) / 1_000.0;
    if let Some(late) = Latency::of_us(late_us) {
        measured.add("ms until a change is shown: p50", late.p50);
    }
    measured.add_limited(
        "ms until a change is shown: all",
        last_ms,
        SHOWN_AFTER_MS_MAX,
    );
    stop(&mut instance, streams, &mut measured).await?;
    Ok(measured)
}

/// Microseconds from the sending of an order to another instance until a stream shows it, for each order and stream.
async fn shown_after_us(
    bench: &Bench<'_>,
    streams: &mut Streams,
    product: &str,
    mut remaining: u32,
) -> Result<Vec<u32>> {
    let mut connection = Connection::new(None, bench.side.api.address()?);
    let orders = Requests::orders(vec![product.to_owned()], &format!("{product}-changes"));
    let (mut late_us, mut request) = (Vec::new(), String::new());
    for number in 0..CHANGES {
        // At another time between two reads of the sale.
        sleep(Duration::from_millis(u64::from(number * 37 % 250))).await;
        orders.write(number.into(), connection.address, &mut request);
        let sent_at = Instant::now();
        let answer = connection.ask(request.as_bytes()).await?;
        ensure!(answer.status == 202, "an order: {answer:?}");
        remaining -= 1;
        for shown_at in streams.show(remaining).await? {
            late_us.push(shown_at.duration_since(sent_at).as_micros() as u32);
        }
    }
    Ok(late_us)
}

async fn stop(instance: &mut Process, streams: Streams, measured: &mut Measurement) -> Result<()> {
    let stopped_at = Instant::now();
    let (stopped, ends) = tokio::join!(instance.stop(STOP_LIMIT), streams.end());
    stopped?;
    let mut ends = ends?;
    let last = ends.ended_at.iter().max().copied().unwrap_or(stopped_at);
    let most = ends.most_per_second();
    measured.add(
        "stop: seconds to the last end",
        (last - stopped_at).as_secs_f64(),
    );
    measured.add("stop: most clients back in a second", most as f64);
    Ok(())
}
