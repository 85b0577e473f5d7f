//! What is measured.

pub mod closed_loop;
pub mod copy;
mod drain;
mod end_to_end;
mod kafka;
mod kafka_tool;
mod rate;
mod redis;
pub mod sql;

use anyhow::Result;

use crate::lab::Lab;
use crate::measurement::Measurement;
use closed_loop::ClosedLoop;

/// One thing to measure.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub connections: Option<u32>,
    /// Whether a worker writes meanwhile.
    pub with_worker: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    ClosedLoop(ClosedLoop),
    EndToEnd,
    /// Requests a second, for so many times the seconds of others.
    Rate(u32, u32),
    /// Orders in one call, commands sent without waiting.
    Redis(u32, u32),
    Kafka,
    Drain,
    Sql,
    Copy,
}

/// What one measurement works with.
pub struct Bench<'a> {
    pub lab: &'a mut Lab,
    pub round: u32,
    pub seconds: u32,
}

const CLOSED_LOOPS: [(&str, ClosedLoop, &[u32], bool); 8] = [
    ("bare", ClosedLoop::Bare, &[64, 256], false),
    ("accept", ClosedLoop::Accept, &[64, 256], false),
    ("sold-out", ClosedLoop::SoldOut, &[64, 256], false),
    ("replay", ClosedLoop::Replay, &[64, 256], false),
    ("status", ClosedLoop::Status, &[64, 256], false),
    ("product", ClosedLoop::Product, &[64], false),
    ("accept+write", ClosedLoop::Accept, &[64, 256], true),
    ("mixed", ClosedLoop::Mixed, &[64, 256], true),
];

const OTHERS: [(&str, Kind, bool); 11] = [
    ("end-to-end", Kind::EndToEnd, true),
    ("rate-5000", Kind::Rate(5_000, 1), true),
    ("rate-10000", Kind::Rate(10_000, 12), true),
    ("redis", Kind::Redis(1, 1), false),
    ("redis-pipelined", Kind::Redis(1, 16), false),
    ("redis-batched", Kind::Redis(16, 1), false),
    ("redis-batched-pipelined", Kind::Redis(16, 16), false),
    ("kafka", Kind::Kafka, false),
    ("drain", Kind::Drain, false),
    ("sql", Kind::Sql, false),
    ("copy", Kind::Copy, false),
];

/// All of them, in the order of a round: the worker is started and stopped once.
pub fn all() -> Vec<Scenario> {
    let closed_loops = CLOSED_LOOPS
        .iter()
        .flat_map(|(name, load, connections, with_worker)| {
            connections.iter().map(|connections| Scenario {
                name,
                connections: Some(*connections),
                with_worker: *with_worker,
                kind: Kind::ClosedLoop(*load),
            })
        });
    let others = OTHERS.iter().map(|(name, kind, with_worker)| Scenario {
        name,
        connections: None,
        with_worker: *with_worker,
        kind: *kind,
    });
    closed_loops.chain(others).collect()
}

pub fn names() -> Vec<&'static str> {
    let closed_loops = CLOSED_LOOPS.iter().map(|(name, ..)| *name);
    closed_loops
        .chain(OTHERS.iter().map(|(name, ..)| *name))
        .collect()
}

impl Scenario {
    pub fn title(&self) -> String {
        match self.connections {
            Some(connections) => format!("{} {connections}", self.name),
            None => self.name.to_owned(),
        }
    }

    pub async fn measure(&self, bench: Bench<'_>) -> Result<Measurement> {
        match self.kind {
            Kind::ClosedLoop(load) => load.measure(self, bench).await,
            Kind::EndToEnd => end_to_end::measure(self, bench).await,
            Kind::Rate(per_second, times) => rate::measure(self, bench, per_second, times).await,
            Kind::Redis(orders, pipeline) => redis::measure(self, bench, orders, pipeline).await,
            Kind::Kafka => kafka::measure(self, bench).await,
            Kind::Drain => drain::measure(self, bench).await,
            Kind::Sql => sql::measure(self, bench).await,
            Kind::Copy => copy::measure(self, bench).await,
        }
    }

    /// A name that no other measurement of this run has: for products and keys.
    fn unique(&self, round: u32) -> String {
        let connections = self.connections.unwrap_or_default();
        format!("{}-{connections}-{round}", self.name.replace('+', "-"))
    }

    /// A measurement of this that holds nothing yet.
    fn measurement(&self, round: u32) -> Measurement {
        Measurement::empty(self.name, self.connections, round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_starts_and_stops_the_worker_once() {
        let all = all();
        let changes = all
            .windows(2)
            .filter(|pair| pair[0].with_worker != pair[1].with_worker);
        assert_eq!(changes.count(), 2);
        assert!(!all[0].with_worker);
    }

    #[test]
    fn a_unique_name_fits_into_a_product_id() {
        for scenario in all() {
            assert!(fluxgate_domain::ids::ProductId::parse(&scenario.unique(7)).is_ok());
        }
    }
}
