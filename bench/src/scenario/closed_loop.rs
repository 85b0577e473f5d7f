//! As many requests as so many connections can have answered, by wrk.

use anyhow::Result;

use super::{Bench, Scenario};
use crate::cpu;
use crate::lab::{Lab, SOLD_OUT};
use crate::load::wrk::Wrk;
use crate::measurement::Measurement;

/// What the connections ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedLoop {
    /// New orders, of the bare handler.
    Bare,
    /// New orders that are all taken.
    Accept,
    /// New orders of a product that is sold out.
    SoldOut,
    /// Orders that were accepted before.
    Replay,
    /// One new order in a hundred is taken, the others are of a product that is sold out.
    Mixed,
    /// How far known orders are.
    Status,
    /// What there is of a product.
    Product,
}

impl ClosedLoop {
    pub async fn measure(self, scenario: &Scenario, bench: Bench<'_>) -> Result<Measurement> {
        let (lab, seconds) = (bench.lab, bench.seconds);
        let unique = scenario.unique(bench.round);
        if matches!(self, Self::Accept | Self::Mixed) {
            lab.open_sale(&unique).await?;
        }
        let load = Wrk {
            scripts: &lab.scripts,
            script: self.script(),
            connections: scenario.connections.unwrap_or(1),
            seconds,
            url: match self {
                Self::Bare => lab.bare.url(),
                _ => lab.api.url(),
            },
            arguments: self.arguments(lab, unique),
        };
        let measurement = scenario.measurement(bench.round);
        run(lab, &load, self.expected_outcomes(), measurement).await
    }

    fn script(self) -> &'static str {
        match self {
            Self::Bare | Self::Accept | Self::SoldOut => "order.lua",
            Self::Replay => "replay.lua",
            Self::Mixed => "mixed.lua",
            Self::Status => "status.lua",
            Self::Product => "product.lua",
        }
    }

    fn arguments(self, lab: &Lab, unique: String) -> Vec<String> {
        match self {
            Self::Bare | Self::Accept => vec![unique.clone(), unique],
            Self::SoldOut => vec![SOLD_OUT.into(), unique],
            Self::Replay => vec![lab.known.product.into(), lab.known.count.to_string()],
            Self::Mixed => vec![unique.clone(), SOLD_OUT.into(), unique],
            Self::Status => vec![lab.known.ids.display().to_string()],
            Self::Product => vec![lab.known.product.into()],
        }
    }

    /// What the API must have answered, by its own count; nothing where no orders are placed with it.
    fn expected_outcomes(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Accept => Some(TAKEN),
            Self::SoldOut => Some(&["sold_out"]),
            Self::Replay => Some(&["replayed"]),
            Self::Mixed => Some(&["accepted", "reserved", "sold_out"]),
            Self::Bare | Self::Status | Self::Product => None,
        }
    }
}

/// What the API must have answered to orders that are all taken. `reserved` is a 202 too: Kafka took
/// longer than the answer waits.
pub const TAKEN: &[&str] = &["accepted", "reserved"];

/// Runs the load and fills the measurement. Wrong is any outcome but the expected ones, by the API's own
/// count, or where no orders are placed with it any status but 2xx and 3xx.
pub async fn run(
    lab: &Lab,
    load: &Wrk<'_>,
    expected: Option<&[&str]>,
    empty: Measurement,
) -> Result<Measurement> {
    let watched = lab.watched()?;
    let (outcomes, before) = (lab.settled_outcomes().await?, watched.sample()?);
    let report = load.run().await?;
    let after = watched.sample()?;
    let outcomes = lab.settled_outcomes().await?.since(&outcomes);

    let wrong = match expected {
        Some(expected) => outcomes.other_than(expected),
        None => report.refused,
    };
    let counts = outcomes
        .iter()
        .map(|(it, count)| (it.to_owned(), count as f64));
    Ok(Measurement {
        count: report.requests,
        seconds: report.seconds,
        errors: report.socket_errors + wrong,
        latency_ms: Some(report.latency),
        cpu_us: cpu::between(&before, &after),
        more: counts.collect(),
        ..empty
    })
}
