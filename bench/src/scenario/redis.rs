//! What Redis alone does: `redis-benchmark` runs `reserve.lua` in a sale that was opened through the
//! API. Its orders stay in the outbox: clearing it is not part of the ceiling.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::ProductId;
use tokio::process::Command;

use super::{Bench, Scenario};
use crate::cpu;
use crate::load::run_tool;
use crate::measurement::{Latency, Measurement};
use crate::redis::{Redis, keys};

const SCRIPT: &str = include_str!("../../../lua/reserve.lua");

/// redis-benchmark runs for a count, not for a time: about what one core does.
const ORDERS_PER_SECOND: u32 = 30_000;
const LIMIT: Duration = Duration::from_secs(60);

pub async fn measure(
    scenario: &Scenario,
    bench: Bench<'_>,
    orders_per_call: u32,
    pipeline: u32,
) -> Result<Measurement> {
    let lab = bench.lab;
    let redis = Redis::at(lab.stack.redis_url()?)?;
    let product = scenario.unique(bench.round);
    let opened_at_ms = lab.open_sale(&product).await?.as_millisecond();
    // Its orders have made-up ids: the sweeper would try to publish them.
    redis.command(&["SREM", "fg:sales", &product]).await?;
    let keys = keys(&ProductId::parse(&product)?, opened_at_ms);
    let sha = redis.command(&["SCRIPT", "LOAD", SCRIPT]).await?;

    let calls = ORDERS_PER_SECOND * bench.seconds / orders_per_call;
    let mut tool = benchmark(&redis, pipeline, calls);
    tool.args(["EVALSHA", &sha, "4"]).args(&keys);
    let opened_at = opened_at_ms.to_string();
    tool.args([opened_at.as_str(), "1", "0", "1000000000"]);
    for _ in 0..orders_per_call {
        // As long as a UUID; each time another number is put in.
        tool.args(["01a2b3c4-d5e6-8abc-8000-__rand_int__", "user-1", "1"]);
    }
    let watched = lab.watched()?;
    let before = watched.sample()?;
    let printed = run_tool(&mut tool, LIMIT).await?;
    let after = watched.sample()?;
    let report = parse(&printed).with_context(|| format!("redis-benchmark printed {printed}"))?;

    let sold = redis.command(&["HGET", &keys[0], "seq"]).await?;
    let sold: u64 = sold.parse().context("reading the sale's sequence")?;
    let count = u64::from(calls * orders_per_call);
    redis.command(&["UNLINK", &keys[1], &keys[2]]).await?;
    Ok(Measurement {
        count,
        seconds: f64::from(calls) / report.calls_per_second,
        // An id that was drawn twice is known the second time; that is one in thousands.
        errors: (count - sold.min(count)).saturating_sub(count / 1_000),
        latency_ms: Some(report.latency),
        cpu_us: cpu::between(&before, &after),
        more: [
            ("orders in a call".to_owned(), f64::from(orders_per_call)),
            (
                "commands sent without waiting".to_owned(),
                f64::from(pipeline),
            ),
        ]
        .into(),
        ..scenario.measurement(bench.round)
    })
}

fn benchmark(redis: &Redis, pipeline: u32, calls: u32) -> Command {
    let mut benchmark = Command::new("redis-benchmark");
    benchmark
        .args(["-h", "127.0.0.1", "-p", redis.port(), "--csv"])
        .args(["-c", "50", "-r", "1000000000"])
        .args(["-P", &pipeline.to_string(), "-n", &calls.to_string()]);
    benchmark
}

struct Report {
    calls_per_second: f64,
    latency: Latency,
}

/// The last line: the command, which may hold commas itself, calls per second, and in milliseconds
/// the average, min, p50, p95, p99 and max.
fn parse(printed: &str) -> Option<Report> {
    let line = printed.lines().rfind(|line| !line.trim().is_empty())?;
    let figures: Option<Vec<f64>> = line
        .rsplit(',')
        .take(7)
        .map(|figure| figure.trim_matches('"').parse().ok())
        .collect();
    let [max, p99, p95, p50, _min, _average, calls_per_second] = figures?.try_into().ok()?;
    Some(Report {
        calls_per_second,
        latency: Latency {
            p50,
            p90: None,
            p95: Some(p95),
            p99,
            max,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_the_last_line_read_from_its_end() {
        let printed = "\"test\",\"rps\"\n\
            \"EVALSHA a, b\",\"41000.50\",\"1.1\",\"0.2\",\"1.0\",\"1.5\",\"2.5\",\"9.0\"\n";
        let report = parse(printed).unwrap();
        assert_eq!(report.calls_per_second, 41_000.5);
        assert_eq!((report.latency.p50, report.latency.max), (1.0, 9.0));
        assert_eq!(report.latency.p95, Some(1.5));
        assert!(parse("ERR unknown command").is_none());
    }
}
