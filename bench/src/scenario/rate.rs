//! Measures mixed orders at a constant rate.

use anyhow::Result;

use super::{Bench, Scenario, sampled, told};
use crate::load::{Requests, constant, soon};
use crate::measure::Measurement;

pub async fn measure(
    scenario: &Scenario,
    bench: &Bench<'_>,
    per_second: u32,
    times: u32,
) -> Result<Measurement> {
    let (side, open) = (bench.side(), scenario.unique(bench.round));
    side.open_sale(&open).await?;
    let schedule = soon(per_second, bench.seconds() * times);
    let requests = Requests::mixed(&open, &open);
    let sending = constant(side.api.address, schedule, requests);
    let sent = sampled(&bench.watched()?, sending).await?;
    Ok(told(sent, bench.empty(scenario.name, "")))
}
