//! The scenarios.

mod bench;
mod connections;
mod copy;
mod drain;
mod end_to_end;
mod growth;
mod http;
mod kafka;
mod redis;
mod soak;
mod sql;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::measure::Measurement;
use crate::measure::cpu::Part;
pub use bench::Bench;
use growth::Growth;
use http::ClosedLoop;

/// Selects `growth-products`, `growth-rows` and `growth-partitions`.
const GROWTH: &str = "growth";

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
/// Name, kind, connections, with a worker; in the order of a round, each after its ceiling.
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
    ("copy", CopyIn, &[], false),
    ("drain", Drain, &[], false),
    ("sql", Sql, &[], false),
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

/// The scenarios of these names, one for each number of connections; without names all but the long ones.
pub fn selected(names: &[String]) -> Result<Vec<Scenario>> {
    let known = || ALL.iter().map(|(name, ..)| *name);
    for name in names {
        let all = known().collect::<Vec<_>>().join(", ");
        let is_known = name == GROWTH || known().any(|it| it == name);
        ensure!(is_known, "there is no scenario {name}; there are {all}");
    }
    let mut selected = Vec::new();
    for (name, kind, connections, with_worker) in ALL {
        let mut labels: Vec<_> = connections.iter().map(u32::to_string).collect();
        labels.extend(connections.is_empty().then(String::new));
        selected.extend(labels.into_iter().map(|label| Scenario {
            name,
            label,
            with_worker,
            kind,
        }));
    }
    selected.retain(|it| it.is_selected_by(names));
    Ok(selected)
}

impl Scenario {
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.label)
            .trim_end()
            .to_owned()
    }

    /// Whether it takes minutes and is measured only if it is selected.
    fn is_long(&self) -> bool {
        matches!(self.kind, Connections | Soak | Grown(_))
    }

    fn is_selected_by(&self, only: &[String]) -> bool {
        let is_group = |name: &str| name == GROWTH && matches!(self.kind, Grown(_));
        let named = only.iter().any(|name| name == self.name || is_group(name));
        named || (only.is_empty() && !self.is_long())
    }

    /// Whether it runs programs of the build. The others are measured once per pair.
    pub fn depends_on_build(&self) -> bool {
        !matches!(self.kind, Redis(..) | Kafka | Sql | CopyIn)
    }

    /// The scenario that it is compared with in the same round. `first` is the first label of the same one.
    fn ceiling(&self) -> Option<&'static str> {
        match self.kind {
            Closed(_) => Some("bare"),
            Drain | Sql => Some("copy"),
            Grown(_) => Some("first"),
            _ => None,
        }
    }

    /// The lowest ratio to its ceiling that passes: 80 % of the promised ratio. Code that keeps the promise has never been
    /// measured below these values, even in slow hours.
    fn floor(&self) -> Option<f64> {
        match (self.name, &*self.label) {
            ("accept", "64") => Some(0.16),
            ("accept", "256") => Some(0.26),
            ("sold-out", _) => Some(0.64),
            ("replay", _) => Some(0.32),
            // Two writers reach 0.7 on a quiet machine, and 0.4 to 0.5 while the machine also compiles.
            ("drain", _) => Some(0.35),
            _ => None,
        }
    }

    /// The processes that it tests.
    fn tested(&self) -> &'static [Part] {
        match self.kind {
            Closed(Ask::Bare) => &[Part::Bare],
            Kafka => &[Part::Kafka],
            Sql | CopyIn => &[Part::Postgres],
            Drain | Grown(_) => &[Part::Worker, Part::Postgres],
            Redis(..) => &[Part::Redis],
            _ => &[Part::Api],
        }
    }

    /// The longest time that it may take.
    pub fn limit(&self, seconds: Option<u32>) -> Duration {
        let base = if self.is_long() { 7_200 } else { 300 };
        Duration::from_secs(base + 12 * u64::from(seconds.unwrap_or(60)))
    }

    pub async fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Measurement>> {
        let one = match self.kind {
            Closed(closed) => closed.measure(bench).await,
            EndToEnd => end_to_end::measure(bench).await,
            Rate(per_second, times) => http::at_rate(bench, per_second, times).await,
            Redis(orders, pipeline) => redis::measure(bench, orders, pipeline).await,
            Kafka => kafka::measure(bench).await,
            Drain => drain::measure(bench).await,
            Sql => sql::measure(bench).await,
            CopyIn => copy::measure(bench).await,
            Soak => soak::measure(bench).await,
            Connections => return connections::measure(bench).await,
            Grown(growth) => return growth.measure(bench).await,
        };
        Ok(vec![one?])
    }

    /// A name that no other measurement of one side has: for products and keys.
    fn unique(&self, round: u32) -> String {
        format!("{}-{}-{round}", self.name.replace('+', "-"), self.label)
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::ProductId;

    use super::*;

    fn named(names: &[&str]) -> Result<Vec<Scenario>> {
        let names: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
        selected(&names)
    }

    #[test]
    fn a_round_starts_the_worker_once_and_every_name_fits_into_a_product_id() {
        let all = named(&ALL.map(|(name, ..)| name)).unwrap();
        let starts = all
            .windows(2)
            .filter(|pair| pair[0].with_worker != pair[1].with_worker);
        assert_eq!(starts.count(), 1);
        let mut ids = all.iter().map(|it| ProductId::parse(&it.unique(50)));
        assert!(ids.all(|id| id.is_ok()));
    }

    #[test]
    fn long_scenarios_are_measured_only_if_they_are_asked_for() {
        let long = |names| {
            named(names)
                .unwrap()
                .iter()
                .filter(|it| it.is_long())
                .count()
        };
        assert_eq!([long(&[]), long(&["soak"]), long(&[GROWTH])], [0, 1, 3]);
        assert_eq!(named(&["bare"]).unwrap().len(), 2);
        let text = named(&["bare", "acept"]).unwrap_err().to_string();
        assert!(
            text.contains("acept") && text.contains("end-to-end"),
            "{text}"
        );
    }

    #[test]
    fn closed_loops_are_held_against_bare_and_drains_against_copy() {
        for (name, ceiling, tested, floor) in [
            ("replay", Some("bare"), Part::Api, Some(0.32)),
            ("status-once", Some("bare"), Part::Api, None),
            ("drain", Some("copy"), Part::Worker, Some(0.35)),
            ("growth-rows", Some("first"), Part::Worker, None),
            ("redis-batched", None, Part::Redis, None),
        ] {
            let it = &named(&[name]).unwrap()[0];
            let found = (it.ceiling(), it.tested()[0], it.floor());
            assert_eq!(found, (ceiling, tested, floor), "{name}");
        }
    }
}
