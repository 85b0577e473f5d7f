//! Mixed orders at a constant rate: one in a hundred is taken.

use anyhow::Result;

use super::{Bench, Scenario};
use crate::cpu;
use crate::lab::SOLD_OUT;
use crate::load::constant;
use crate::load::request;
use crate::measurement::{Latency, Measurement, over_time};

const STEP_SECONDS: f64 = 0.25;

/// One order in so many is taken.
const TAKEN_EVERY: u64 = 100;

pub async fn measure(
    scenario: &Scenario,
    bench: Bench<'_>,
    per_second: u32,
    times: u32,
) -> Result<Measurement> {
    let (lab, seconds) = (bench.lab, bench.seconds * times);
    let there = scenario.unique(bench.round);
    lab.open_sale(&there).await?;
    let address = lab.api_address()?;
    let watched = lab.watched()?;
    let before = watched.sample()?;
    let schedule = constant::soon(per_second, seconds);
    let sent = constant::send(address, schedule, move |n| {
        let is_taken = n % TAKEN_EVERY == 0;
        let product = if is_taken { &there } else { SOLD_OUT };
        let (user, key) = (format!("user-{}", n % 1_000), format!("{there}-{n}"));
        request::order(address, product, &user, &key)
    })
    .await?;
    let after = watched.sample()?;

    let wrong = sent.iter().filter(|sent| {
        let expected = if sent.number % TAKEN_EVERY == 0 {
            202
        } else {
            409
        };
        sent.status != Some(expected)
    });
    let by_time: Vec<(f64, f64)> = sent
        .iter()
        .map(|sent| {
            (
                schedule.due_after(sent.number).as_secs_f64(),
                sent.latency_ms(),
            )
        })
        .collect();
    Ok(Measurement {
        count: schedule.count,
        seconds: f64::from(seconds),
        errors: wrong.count() as u64,
        latency_ms: Latency::of(sent.iter().map(constant::Sent::latency_ms).collect()),
        cpu_us: cpu::between(&before, &after),
        over_time: over_time(&by_time, STEP_SECONDS),
        ..scenario.measurement(bench.round)
    })
}
