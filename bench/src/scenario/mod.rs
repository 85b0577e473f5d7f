//! The scenarios.

mod closed_loop;
mod connections;
mod copy;
mod drain;
mod end_to_end;
mod growth;
mod kafka;
mod rate;
mod redis;
mod soak;
mod sql;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::arguments::Sizes;
use crate::lab::{Lab, Side};
use crate::load::Tally;
use crate::measure::cpu::{self, Cpu, Part, Watched};
use crate::measure::{Latency, Measurement, title};
use crate::result::Table;
use closed_loop::ClosedLoop;
use growth::Growth;

/// Selects `growth-products`, `growth-rows` and `growth-partitions`.
pub const GROWTH: &str = "growth";
/// Seconds of one measurement.
const SECONDS: u32 = 5;

/// One scenario with one label.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    /// Connections of a closed loop, else empty.
    pub label: String,
    /// Whether a worker runs meanwhile.
    pub with_worker: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Closed(ClosedLoop),
    EndToEnd,
    /// Requests per second, and how many times longer than other scenarios it runs.
    Rate(u32, u32),
    /// Orders per call, commands sent without waiting for an answer.
    Redis(u32, u32),
    Kafka,
    Drain,
    Sql,
    CopyIn,
    Connections,
    Soak,
    Grown(Growth),
}

use ClosedLoop as Ask;
use Kind::{Closed, Connections, CopyIn, Drain, EndToEnd, Grown, Kafka, Rate, Redis, Soak, Sql};

const BOTH: &[u32] = &[64, 256];
/// Name, kind, connections, with a worker; in the order of a round.
const ALL: [(&str, Kind, &[u32], bool); 26] = [
    ("bare", Closed(Ask::Bare), BOTH, false),
    ("accept", Closed(Ask::Accept), BOTH, false),
    ("sold-out", Closed(Ask::SoldOut), BOTH, false),
    ("replay", Closed(Ask::Replay), BOTH, false),
    ("status", Closed(Ask::Status), BOTH, false),
    ("product", Closed(Ask::Product), &[64], false),
    ("redis", Redis(1, 1), &[], false),
    ("redis-pipelined", Redis(1, 16), &[], false),
    ("redis-batched", Redis(16, 1), &[], false),
    ("redis-batched-pipelined", Redis(16, 16), &[], false),
    ("kafka", Kafka, &[], false),
    ("drain", Drain, &[], false),
    ("sql", Sql, &[], false),
    ("copy", CopyIn, &[], false),
    ("growth-products", Grown(Growth::Products), &[], false),
    ("growth-rows", Grown(Growth::Rows), &[], false),
    ("growth-partitions", Grown(Growth::Partitions), &[], false),
    ("replay-once", Closed(Ask::ReplayOnce), BOTH, true),
    ("status-once", Closed(Ask::StatusOnce), BOTH, true),
    ("accept+write", Closed(Ask::Accept), BOTH, true),
    ("mixed", Closed(Ask::Mixed), BOTH, true),
    ("end-to-end", EndToEnd, &[], true),
    ("rate-5000", Rate(5_000, 1), &[], true),
    ("rate-10000", Rate(10_000, 12), &[], true),
    ("connections", Connections, &[], true),
    ("soak", Soak, &[], true),
];

/// All scenarios, one for each number of connections.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (name, kind, connections, with_worker) in ALL {
        let mut labels: Vec<_> = connections.iter().map(u32::to_string).collect();
        labels.extend(connections.is_empty().then(String::new));
        all.extend(labels.into_iter().map(|label| Scenario {
            name,
            label,
            with_worker,
            kind,
        }));
    }
    all
}

pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|(name, ..)| *name).collect()
}

/// The scenario that a measurement is compared with in the same round. `first` is the first label of the same one.
pub fn ceiling_of(scenario: &str) -> Option<&'static str> {
    match ALL.iter().find(|(name, ..)| *name == scenario) {
        Some((_, Closed(_), ..)) => Some("bare"),
        Some((_, Drain | Sql, ..)) => Some("copy"),
        Some(_) => None,
        None => Some("first"),
    }
}

/// The processes that a scenario tests.
pub fn tested(scenario: &str) -> &'static [Part] {
    match scenario.split(['-', ' ']).next().unwrap_or_default() {
        "bare" => &[Part::Bare],
        "kafka" => &[Part::Kafka],
        "sql" | "copy" => &[Part::Postgres],
        "drain" => &[Part::Worker, Part::Postgres],
        "redis" => &[Part::Redis],
        _ => &[Part::Api],
    }
}

/// The environment of one measurement.
pub struct Bench<'a> {
    pub lab: &'a mut Lab,
    /// Which of the lab's sides is measured.
    pub side: usize,
    pub round: u32,
    pub seconds: Option<u32>,
    pub sizes: &'a Sizes,
}

impl Bench<'_> {
    fn side(&self) -> &Side {
        &self.lab.sides[self.side]
    }

    fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(SECONDS)
    }

    fn watched(&self) -> Result<Watched> {
        self.lab.watched(self.side())
    }

    fn empty(&self, scenario: &'static str, label: impl ToString) -> Measurement {
        Measurement {
            scenario,
            label: label.to_string(),
            round: self.round,
            side: self.side().build.name,
            ..Measurement::default()
        }
    }
}

/// The result of a scenario.
#[derive(Debug, Default)]
pub struct Outcome {
    pub measurements: Vec<Measurement>,
    /// Tables that only this scenario has.
    pub tables: Vec<Table>,
    /// Failed checks, one sentence each.
    pub failures: Vec<String>,
}

impl From<Vec<Measurement>> for Outcome {
    fn from(measurements: Vec<Measurement>) -> Self {
        Self {
            measurements,
            ..Self::default()
        }
    }
}

impl Scenario {
    pub fn title(&self) -> String {
        title(self.name, &self.label)
    }

    /// Whether it takes minutes and is measured only if it is selected.
    pub fn is_long(&self) -> bool {
        matches!(self.kind, Connections | Soak | Grown(_))
    }

    pub fn is_selected_by(&self, only: &[String]) -> bool {
        let is_group = |name: &str| name == GROWTH && matches!(self.kind, Grown(_));
        let named = only.iter().any(|name| name == self.name || is_group(name));
        named || (only.is_empty() && !self.is_long())
    }

    /// Whether it runs programs of the build. The others are measured once per pair.
    pub fn depends_on_build(&self) -> bool {
        !matches!(self.kind, Redis(..) | Kafka | Sql | CopyIn)
    }

    /// The longest time that it may take.
    pub fn limit(&self, seconds: Option<u32>) -> Duration {
        let base = if self.is_long() { 7_200 } else { 300 };
        Duration::from_secs(base + 12 * u64::from(seconds.unwrap_or(60)))
    }

    pub async fn measure(&self, bench: &mut Bench<'_>) -> Result<Outcome> {
        let one = match self.kind {
            Closed(closed) => closed.measure(self, bench).await,
            EndToEnd => end_to_end::measure(bench).await,
            Rate(per_second, times) => rate::measure(self, bench, per_second, times).await,
            Redis(orders, pipeline) => redis::measure(self, bench, orders, pipeline).await,
            Kafka => kafka::measure(bench).await,
            Drain => drain::measure(bench).await,
            Sql => sql::measure(bench).await,
            CopyIn => copy::measure(bench).await,
            Connections => return connections::measure(bench).await,
            Soak => return soak::measure(bench).await,
            Grown(growth) => return growth.measure(bench).await.map(Outcome::from),
        };
        Ok(vec![one?].into())
    }

    /// A name that no other measurement of this side has: for products and keys.
    fn unique(&self, round: u32) -> String {
        format!("{}-{}-{round}", self.name.replace('+', "-"), self.label)
    }
}

/// The result of some work, and the CPU used meanwhile.
async fn sampled<T>(watched: &Watched, work: impl Future<Output = Result<T>>) -> Result<(T, Cpu)> {
    let before = watched.sample()?;
    let done = work.await?;
    Ok((done, cpu::between(&before, &watched.sample()?)))
}

/// Times `work`, which returns how many of `expected` rows or messages it wrote.
async fn timed(
    bench: &Bench<'_>,
    name: &'static str,
    expected: u32,
    work: impl Future<Output = Result<u64>>,
) -> Result<Measurement> {
    let started = Instant::now();
    let timed = async { Ok((work.await?, started.elapsed())) };
    let ((count, elapsed), cpu_us) = sampled(&bench.watched()?, timed).await?;
    ensure!(count == u64::from(expected), "{count} of {expected}");
    Ok(Measurement {
        count,
        seconds: elapsed.as_secs_f64(),
        cpu_us,
        ..bench.empty(name, "")
    })
}

/// A measurement from the answers of a load.
fn told((tally, cpu_us): (Tally, Cpu), empty: Measurement) -> Measurement {
    if let Some(wrong) = &tally.wrong {
        eprintln!("bench: a wrong answer: {wrong}");
    }
    // If all orders are refused, refusals are what is measured.
    let (latencies, refusals) = match tally.latencies_us.is_empty() {
        true => (tally.refusals_us, Vec::new()),
        false => (tally.latencies_us, tally.refusals_us),
    };
    Measurement {
        count: tally.count,
        seconds: tally.seconds,
        errors: tally.errors,
        latency_ms: Latency::of_us(latencies),
        refusals_ms: Latency::of_us(refusals),
        cpu_us,
        ..empty
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::ProductId;

    use super::*;

    #[test]
    fn a_round_starts_the_worker_once_and_every_name_fits_into_a_product_id() {
        let all = all();
        let starts = all
            .windows(2)
            .filter(|pair| pair[0].with_worker != pair[1].with_worker);
        assert_eq!(starts.count(), 1);
        let mut ids = all.iter().map(|it| ProductId::parse(&it.unique(50)));
        assert!(ids.all(|id| id.is_ok()));
    }

    #[test]
    fn long_scenarios_are_measured_only_if_they_are_asked_for() {
        let of = |only: &[String]| all().iter().filter(|it| it.is_selected_by(only)).count();
        let named = |name: &str| of(&[name.to_owned()]);
        assert_eq!((named("soak"), named(GROWTH), named("bare")), (1, 3, 2));
        assert_eq!(of(&[]), all().len() - 5);
    }

    #[test]
    fn closed_loops_are_held_against_bare_and_drains_against_copy() {
        let of = |name| (ceiling_of(name), tested(name)[0]);
        assert_eq!(of("status-once"), (Some("bare"), Part::Api));
        assert_eq!(of("drain"), (Some("copy"), Part::Worker));
        assert_eq!(of("drain by rows"), (Some("first"), Part::Worker));
        assert_eq!(of("redis-batched"), (None, Part::Redis));
    }
}
