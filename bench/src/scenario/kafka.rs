//! What Kafka alone does: its own producer tool, every message acknowledged, messages as large as
//! ours with key and headers.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::events::{Event, headers};
use jiff::Timestamp;

use super::{Bench, Scenario, kafka_tool};
use crate::cpu;
use crate::load::run_tool;
use crate::measurement::{Latency, Measurement};
use crate::orders::Orders;
use crate::topic;

const PARTITIONS: i32 = 12;
/// The tool runs for a count, not for a time.
const MESSAGES_PER_SECOND: u32 = 100_000;
const LIMIT: Duration = Duration::from_secs(120);

pub async fn measure(scenario: &Scenario, bench: Bench<'_>) -> Result<Measurement> {
    let lab = bench.lab;
    let brokers = lab.stack.kafka_brokers()?;
    let topic = format!("perf_{}", Timestamp::now().as_millisecond());
    topic::create(brokers, &topic, PARTITIONS).await?;
    let (messages, bytes) = (MESSAGES_PER_SECOND * bench.seconds, message_bytes()?);
    let mut tool = kafka_tool::command(&lab.stack).await?;
    tool.args(["--topic", &topic, "--throughput", "-1"])
        .args(["--num-records", &messages.to_string()])
        .args(["--record-size", &bytes.to_string()])
        .args(["--producer-props", "acks=all"])
        .arg(format!("bootstrap.servers={brokers}"));
    let watched = lab.watched()?;
    let before = watched.sample()?;
    let printed = run_tool(&mut tool, LIMIT).await?;
    let after = watched.sample()?;
    topic::delete(brokers, &[&topic]).await?;
    let (per_second, latency) =
        parse(&printed).with_context(|| format!("the tool printed {printed}"))?;
    Ok(Measurement {
        count: messages.into(),
        seconds: f64::from(messages) / per_second,
        latency_ms: Some(latency),
        cpu_us: cpu::between(&before, &after),
        more: [("bytes of a message".to_owned(), bytes as f64)].into(),
        ..scenario.measurement(bench.round)
    })
}

/// Of an order's event: key, value and headers.
fn message_bytes() -> Result<usize> {
    let event = Event::OrderReserved(Orders::new(1, 1)?.order(0)?);
    let headers = headers(&event);
    let headers = headers.iter().map(|(key, value)| key.len() + value.len());
    Ok(event.product_id().as_str().len() + event.encode().len() + headers.sum::<usize>())
}

/// `… sent, 98231.8 records/sec (…), 12.3 ms avg latency, 300.0 ms max latency, 10 ms 50th, 20 ms
/// 95th, 30 ms 99th, …`, of which the last such line is about all messages.
fn parse(printed: &str) -> Option<(f64, Latency)> {
    let line = printed.lines().rfind(|line| line.contains(" 99th"))?;
    let before = |tail: &str| {
        let head = &line[..line.find(tail)?];
        head.split_whitespace().last()?.parse::<f64>().ok()
    };
    let latency = Latency {
        p50: before(" ms 50th")?,
        p90: None,
        p95: before(" ms 95th"),
        p99: before(" ms 99th")?,
        max: before(" ms max latency")?,
    };
    Some((before(" records/sec")?, latency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_about_all_messages_is_read() {
        let printed = "12 records sent, 1.0 records/sec (0.00 MB/sec), 1.0 ms avg latency, 2.0 ms max latency.\n\
            500000 records sent, 98231.827 records/sec (37.47 MB/sec), 120.31 ms avg latency, \
            301.00 ms max latency, 110 ms 50th, 200 ms 95th, 280 ms 99th, 299 ms 99.9th.\n";
        let (per_second, latency) = parse(printed).unwrap();
        assert_eq!(per_second, 98_231.827);
        assert_eq!(
            (latency.p50, latency.p99, latency.max),
            (110.0, 280.0, 301.0)
        );
    }

    #[test]
    fn our_message_has_some_hundred_bytes() {
        assert!((300..700).contains(&message_bytes().unwrap()));
    }
}
