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
mod queue_joins;
mod queue_polls;
mod queued_sale;
mod redis;
mod redis_growth;
mod selection;
mod soak;
mod sql;
mod streams;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::measure::Measurement;
use crate::measure::processes::Part;
pub use bench::Bench;
use growth::Growth;
use http::ClosedLoop as Ask;
pub use selection::selected;

use Kind::{
    AcceptLimited, AcceptMany, Closed, Connections, CopyIn, Drain, DrainCompleted, EndToEnd, Grown,
    Kafka, QueueJoins, QueuePolls, Rate, Redis, RedisGrowth, Soak, Sql, Streams,
};

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
    Closed(Ask),
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
    QueueJoins,
    QueuePolls,
}

impl Scenario {
    pub fn title(&self) -> String {
        let size = self.size.map_or_else(String::new, |it| format!(" {it}"));
        format!("{}{size}", self.name)
    }

    /// Whether it takes minutes and is measured only if it is selected.
    fn is_long(&self) -> bool {
        let is_growth = self.is_growth();
        is_growth
            || matches!(
                self.kind,
                Connections | Soak | Streams | QueueJoins | QueuePolls
            )
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
            AcceptMany(_) | AcceptLimited | QueueJoins => Some("accept"),
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
            ("queue-joins", _) => Some(0.8),
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
            QueueJoins => queue_joins::measure(bench).await,
            QueuePolls => queue_polls::measure(bench).await,
        }
    }

    /// A name that no other measurement of one side has: for products and keys.
    fn unique(&self, round: u32) -> String {
        format!("{}-{round}", self.title().replace([' ', '+'], "-"))
    }
}
