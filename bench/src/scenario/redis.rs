//! The ceiling of Redis: `redis-benchmark` runs `reserve.lua` in a sale that was opened through the API. The orders stay
//! in the outbox: acknowledging them is not part of the ceiling.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::stores::sale_keys;
use fluxgate_domain::ids::ProductId;
use tokio::process::Command;
use tokio::time::timeout;

use super::Bench;
use super::bench::sampled;
use crate::measure::{Latency, Measurement};

const SCRIPT: &str = concat!(
    include_str!("../../../lua/find_entry.lua"),
    "local rate_limits, unpaid_limit\n",
    include_str!("../../../lua/reserve.lua")
);

/// About what one core does: redis-benchmark runs for a number of calls, not for a time.
const ORDERS_PER_SECOND: u32 = 30_000;
const LIMIT: Duration = Duration::from_secs(60);

pub async fn measure(
    bench: &Bench<'_>,
    orders_per_call: u32,
    pipeline: u32,
) -> Result<Measurement> {
    let (side, product) = (bench.side, bench.unique());
    let redis = &side.sandbox.stores.redis;
    let opened_at_ms = side.open_sale(&product).await?.as_millisecond();
    // Otherwise the relay would try to publish these orders, whose ids are invented.
    let _: u64 = redis.command(&["SREM", "fg:sales", &product]).await?;
    let keys = sale_keys(&ProductId::parse(&product)?, opened_at_ms);
    let sha: String = redis.command(&["SCRIPT", "LOAD", SCRIPT]).await?;

    let calls = ORDERS_PER_SECOND * bench.seconds() / orders_per_call;
    let [pipeline, count] = [pipeline, calls].map(|it| it.to_string());
    let mut tool = Command::new("redis-benchmark");
    tool.args(["-u", &side.settings["REDIS_URL"], "--csv", "-c", "50"]);
    tool.args(["-r", "1000000000", "-P", &pipeline, "-n", &count]);
    tool.args(["EVALSHA", &sha, "4"]).args(&keys);
    tool.args([
        opened_at_ms.to_string().as_str(),
        "1",
        "0",
        "1000000000",
        "1",
        orders_per_call.to_string().as_str(),
    ]);
    // As long as a UUID; the tool puts another number in each time.
    let id = "01a2b3c4-d5e6-8abc-8000-__rand_int__";
    for argument in [id, "1 user-1"] {
        tool.args(std::iter::repeat_n(argument, orders_per_call as usize));
    }
    let run = async {
        let output = timeout(LIMIT, tool.kill_on_drop(true).output()).await;
        let output = output.context("redis-benchmark hangs")?;
        output.context("starting redis-benchmark")
    };
    let (output, cpu_us) = sampled(&bench.watched()?, run).await?;
    ensure!(output.status.success(), "redis-benchmark: {output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let (latency_ms, calls_per_second) =
        parse(&printed).with_context(|| format!("redis-benchmark printed {printed}"))?;

    let sold: u64 = redis.command(&["HGET", &keys[0], "seq"]).await?;
    let count = u64::from(calls * orders_per_call);
    let _: u64 = redis.command(&["UNLINK", &keys[1], &keys[2]]).await?;
    Ok(Measurement {
        count,
        seconds: f64::from(calls) / calls_per_second,
        // An id that is drawn twice is a replay the second time; this happens less than once in a thousand orders.
        errors: (count - sold.min(count)).saturating_sub(count / 1_000),
        latency_ms: Some(latency_ms),
        cpu_us,
        ..Measurement::default()
    })
}

/// The last line: the command, which may hold commas itself, calls per second, and in milliseconds the average, min, p50,
/// p95, p99 and max.
fn parse(printed: &str) -> Option<(Latency, f64)> {
    let line = printed.lines().rfind(|line| !line.trim().is_empty())?;
    let figures = line
        .rsplit(',')
        .take(7)
        .map(|figure| figure.trim_matches('"').parse().ok());
    let figures: Option<Vec<f64>> = figures.collect();
    let [_max, p99, _p95, p50, _min, _average, calls_per_second] = figures?.try_into().ok()?;
    let latency = Latency {
        p50,
        p99,
        p999: None,
    };
    Some((latency, calls_per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_the_last_line_read_from_its_end() {
        let printed = "\"test\",\"rps\"\n\
            \"EVALSHA a, b\",\"41000.50\",\"1.1\",\"0.2\",\"1.0\",\"1.5\",\"2.5\",\"9.0\"\n";
        let (latency, calls_per_second) = parse(printed).unwrap();
        assert_eq!(
            (latency.p50, latency.p99, calls_per_second),
            (1.0, 2.5, 41_000.5)
        );
        assert!(parse("ERR unknown command").is_none());
    }
}
