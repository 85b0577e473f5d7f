//! The scenarios.

mod bench;
mod connections;
mod copy;
mod drain;
mod end_to_end;
mod growth;
mod http;
mod kafka;
mod limited;
mod probes;
mod redis;
mod redis_growth;
mod soak;
mod sql;
mod streams;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::measure::Measurement;
use crate::measure::processes::Part;
pub use bench::Bench;
use growth::Growth;
use http::ClosedLoop;

/// Selects all scenarios whose names begin with it.
const GROWTH: &str = "growth";

/// One scenario with one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scenario {
    #[serde(rename = "scenario")]
    pub name: &'static str,
    /// Connections, or what grows; `None` if it has one size only.
    pub size: Option<u32>,
    /// Whether a worker runs meanwhile.
    #[serde(skip)]
    pub with_worker: bool,
    #[serde(skip)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Closed(ClosedLoop),
    /// New orders of this many sales in turn.
    AcceptMany(u32),
    AcceptLimited,
    EndToEnd,
    /// Requests per second, and how many times longer than other scenarios it runs.
    Rate(u32, u32),
    /// Orders per call, commands sent without waiting for an answer.
    Redis(u32, u32),
    Kafka,
    Drain,
    DrainCompleted,
    Grown(Growth),
    RedisGrowth,
    Sql,
    CopyIn,
    Connections,
    Soak,
    Streams,
}

use ClosedLoop as Ask;
use Kind::{
    AcceptLimited, AcceptMany, Closed, Connections, CopyIn, Drain, DrainCompleted, EndToEnd, Grown,
    Kafka, Rate, Redis, RedisGrowth, Soak, Sql, Streams,
};

const ONE: &[u32] = &[];
const BOTH: &[u32] = &[64, 256];
const PRODUCTS: &[u32] = &[1, 10, 100, 1_000];
const ROWS: &[u32] = &[0, 1_000_000, 5_000_000, 10_000_000];
const PARTITIONS: &[u32] = &[12, 24, 48, 96];
const WORKERS: &[u32] = &[1, 2, 4, 12];

/// Name, kind, sizes, with a worker; in the order of a round, each after its ceiling.
const ALL: [(&str, Kind, &[u32], bool); 33] = [
    ("bare", Closed(Ask::Bare), BOTH, false),
    ("accept", Closed(Ask::Accept), BOTH, false),
    ("accept-limited", AcceptLimited, BOTH, false),
    ("accept-1000", AcceptMany(1_000), &[256], false),
    ("sold-out", Closed(Ask::SoldOut), BOTH, false),
    ("replay", Closed(Ask::Replay), BOTH, false),
    ("status", Closed(Ask::Status), BOTH, false),
    ("product", Closed(Ask::Product), &[64], false),
    ("redis", Redis(1, 1), ONE, false),
    ("redis-pipelined", Redis(1, 16), ONE, false),
    ("redis-batched", Redis(16, 1), ONE, false),
    ("redis-batched-pipelined", Redis(16, 16), ONE, false),
    ("kafka", Kafka, ONE, false),
    ("copy", CopyIn, ONE, false),
    ("drain", Drain, ONE, false),
    ("drain-completed", DrainCompleted, ONE, false),
    ("sql", Sql, ONE, false),
    ("growth-accept", Grown(Growth::Accept), PRODUCTS, false),
    ("growth-products", Grown(Growth::Products), PRODUCTS, false),
    ("growth-rows", Grown(Growth::Rows), ROWS, false),
    (
        "growth-partitions",
        Grown(Growth::Partitions),
        PARTITIONS,
        false,
    ),
    ("growth-workers", Grown(Growth::Workers), WORKERS, false),
    ("growth-redis", RedisGrowth, ONE, false),
    ("streams", Streams, &[5_000], false),
    ("replay-once", Closed(Ask::ReplayOnce), BOTH, true),
    ("status-once", Closed(Ask::StatusOnce), BOTH, true),
    ("accept+write", Closed(Ask::Accept), BOTH, true),
    ("mixed", Closed(Ask::Mixed), BOTH, true),
    ("end-to-end", EndToEnd, ONE, true),
    ("rate-5000", Rate(5_000, 1), ONE, true),
    ("rate-10000", Rate(10_000, 12), ONE, true),
    ("connections", Connections, &[256, 18_000, 100_000], true),
    ("soak", Soak, ONE, true),
];

/// The scenarios of these names, one for each size; without names all but the long ones, without sizes the usual ones.
pub fn selected(names: &[String], sizes: &[u32]) -> Result<Vec<Scenario>> {
    let known = || ALL.iter().map(|(name, ..)| *name);
    for name in names {
        let all = known().collect::<Vec<_>>().join(", ");
        let is_known = name == GROWTH || known().any(|it| it == name);
        ensure!(is_known, "there is no scenario {name}; there are {all}");
    }
    let mut selected = Vec::new();
    for (name, kind, usual, with_worker) in ALL {
        let of_size = |size| Scenario {
            name,
            size,
            with_worker,
            kind,
        };
        match (usual, sizes) {
            ([], _) => selected.push(of_size(None)),
            (sizes, []) | (_, sizes) => {
                selected.extend(sizes.iter().map(|size| of_size(Some(*size))));
            }
        }
    }
    selected.retain(|it| it.is_selected_by(names));
    Ok(selected)
}

impl Scenario {
    pub fn title(&self) -> String {
        let size = self.size.map_or_else(String::new, |it| format!(" {it}"));
        format!("{}{size}", self.name)
    }

    /// Whether it takes minutes and is measured only if it is selected.
    fn is_long(&self) -> bool {
        matches!(self.kind, Connections | Soak | Streams) || self.is_growth()
    }

    fn is_growth(&self) -> bool {
        matches!(self.kind, Grown(_) | RedisGrowth)
    }

    fn is_selected_by(&self, only: &[String]) -> bool {
        let is_group = |name: &str| name == GROWTH && self.is_growth();
        let named = only.iter().any(|name| name == self.name || is_group(name));
        named || (only.is_empty() && !self.is_long())
    }

    /// Whether it runs programs of the build. The others are measured once per pair.
    pub fn depends_on_build(&self) -> bool {
        !matches!(self.kind, Redis(..) | RedisGrowth | Kafka | Sql | CopyIn)
    }

    /// The scenario that it is compared with in the same round. `first` is the first size of the same one.
    pub fn ceiling(&self) -> Option<&'static str> {
        match self.kind {
            AcceptMany(_) | AcceptLimited => Some("accept"),
            Closed(_) => Some("bare"),
            Drain | Sql => Some("copy"),
            DrainCompleted => Some("drain"),
            Grown(_) => Some("first"),
            _ => None,
        }
    }

    /// The lowest ratio to its ceiling that passes: 80 % of the promised ratio. The median of three
    /// rounds of code that keeps the promise was never below these values, even in slow hours; single rounds were.
    pub fn floor(&self) -> Option<f64> {
        match (self.name, self.size) {
            ("accept", Some(64)) => Some(0.24),
            ("accept", Some(256)) => Some(0.33),
            ("sold-out" | "accept-limited", _) => Some(0.64),
            ("replay" | "status" | "replay-once" | "status-once", _) => Some(0.32),
            ("drain" | "drain-completed", _) => Some(0.56),
            _ => None,
        }
    }

    /// The processes that it tests.
    pub fn tested(&self) -> &'static [Part] {
        match self.kind {
            Closed(Ask::Bare) => &[Part::Bare],
            Kafka => &[Part::Kafka],
            Sql | CopyIn => &[Part::Postgres],
            Grown(Growth::Accept) => &[Part::Api],
            Drain | DrainCompleted | Grown(_) => &[Part::Worker, Part::Postgres],
            Redis(..) | RedisGrowth => &[Part::Redis],
            _ => &[Part::Api],
        }
    }

    /// The longest time that it may take.
    pub fn limit(&self, seconds: Option<u32>) -> Duration {
        let base = if self.is_long() { 7_200 } else { 300 };
        Duration::from_secs(base + 12 * u64::from(seconds.unwrap_or(60)))
    }

    pub async fn measure(&self, bench: &Bench<'_>) -> Result<Measurement> {
        match self.kind {
            Closed(closed) => closed.measure(bench).await,
            AcceptLimited => limited::measure(bench).await,
            AcceptMany(sales) => bench.accept_many(sales, bench.size() as usize).await,
            EndToEnd => end_to_end::measure(bench).await,
            Rate(per_second, times) => http::at_rate(bench, per_second, times).await,
            Redis(orders, pipeline) => redis::measure(bench, orders, pipeline).await,
            Kafka => kafka::measure(bench).await,
            Drain => drain::measure(bench).await,
            DrainCompleted => drain::measure_completed(bench).await,
            Grown(growth) => growth.measure(bench).await,
            RedisGrowth => redis_growth::measure(bench).await,
            Sql => sql::measure(bench).await,
            CopyIn => copy::measure(bench).await,
            Connections => connections::measure(bench).await,
            Soak => soak::measure(bench).await,
            Streams => streams::measure(bench).await,
        }
    }

    /// A name that no other measurement of one side has: for products and keys.
    fn unique(&self, round: u32) -> String {
        format!("{}-{round}", self.title().replace([' ', '+'], "-"))
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::ProductId;

    use super::*;

    fn named(names: &[&str]) -> Result<Vec<Scenario>> {
        let names: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
        selected(&names, &[])
    }

    #[test]
    fn a_round_starts_the_worker_once_and_every_name_fits_into_a_product_id() {
        let all = named(&ALL.map(|(name, ..)| name)).unwrap();
        let pairs = all.windows(2);
        let starts = pairs.filter(|pair| pair[0].with_worker != pair[1].with_worker);
        assert_eq!(starts.count(), 1);
        let mut ids = all.iter().map(|it| ProductId::parse(&it.unique(50)));
        assert!(ids.all(|id| id.is_ok()));
    }

    #[test]
    fn long_scenarios_are_measured_only_if_they_are_asked_for() {
        let long = |names| {
            let selected = named(names).unwrap();
            selected.iter().filter(|it| it.is_long()).count()
        };
        assert_eq!([long(&[]), long(&["soak"]), long(&[GROWTH])], [0, 1, 21]);
        assert_eq!(named(&["bare"]).unwrap().len(), 2);
        let text = named(&["bare", "acept"]).unwrap_err().to_string();
        let names_all = text.contains("acept") && text.contains("end-to-end");
        assert!(names_all, "{text}");
    }

    #[test]
    fn closed_loops_are_held_against_bare_and_drains_against_copy() {
        for (name, ceiling, tested, floor) in [
            ("replay", Some("bare"), Part::Api, Some(0.32)),
            ("accept-1000", Some("accept"), Part::Api, None),
            ("accept-limited", Some("accept"), Part::Api, Some(0.64)),
            ("status-once", Some("bare"), Part::Api, Some(0.32)),
            ("drain", Some("copy"), Part::Worker, Some(0.56)),
            ("drain-completed", Some("drain"), Part::Worker, Some(0.56)),
            ("growth-rows", Some("first"), Part::Worker, None),
            ("redis-batched", None, Part::Redis, None),
        ] {
            let it = &named(&[name]).unwrap()[0];
            let found = (it.ceiling(), it.tested()[0], it.floor());
            assert_eq!(found, (ceiling, tested, floor), "{name}");
        }
    }
}
