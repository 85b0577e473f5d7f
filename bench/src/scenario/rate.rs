//! Mixed orders at a constant rate: one in a hundred is taken.

use anyhow::Result;

use super::{Bench, Scenario};
use crate::cpu;
use crate::load::constant;
use crate::load::mixed::Mixed;
use crate::measurement::{Latency, Measurement, over_time};

const STEP_SECONDS: f64 = 0.25;

pub async fn measure(
    scenario: &Scenario,
    bench: Bench<'_>,
    per_second: u32,
    times: u32,
) -> Result<Measurement> {
    let (lab, seconds) = (bench.lab, bench.seconds * times);
    let mixed = Mixed::one_in_a_hundred(&scenario.unique(bench.round));
    lab.open_sale(&mixed.product).await?;
    let address = lab.api_address()?;
    let watched = lab.watched()?;
    let before = watched.sample()?;
    let schedule = constant::soon(per_second, seconds);
    let orders = mixed.clone();
    let sent = constant::send(address, schedule, move |n| orders.order(address, n)).await?;
    let after = watched.sample()?;

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
        errors: mixed.wrong(&sent),
        latency_ms: Latency::of(sent.iter().map(constant::Sent::latency_ms).collect()),
        cpu_us: cpu::between(&before, &after),
        over_time: over_time(&by_time, STEP_SECONDS),
        ..scenario.measurement(bench.round)
    })
}
