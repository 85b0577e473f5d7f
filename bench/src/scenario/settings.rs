//! The cost of a setting: the same orders for instances of the services that differ only in it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::order::unique;
use e2e::otlp::Receiver;
use e2e::process::free_port;
use e2e::wait::wait_until;
use tokio::process::{Child, Command};

use super::Bench;
use crate::lab::STOP_LIMIT;
use crate::load::{Requests, closed};
use crate::measure::Measurement;
use crate::measure::cpu::Part;

const CONNECTIONS: usize = 64;
/// For connections and caches.
const WARM_UP: Duration = Duration::from_secs(2);
const REPLICA_LIMIT: Duration = Duration::from_secs(30);
const SPANS_SENT: &str = r#"ingest_api_trace_spans_total{stage="sent"}"#;

/// Label, `appendfsync`, and how many replicas must have a reservation. All other scenarios use the last.
const DURABILITY: [(&str, &str, &str); 4] = [
    ("no", "no", "0"),
    ("always", "always", "0"),
    ("everysec, replica", "everysec", "1"),
    ("everysec", "everysec", "0"),
];

/// The cost of keeping what Redis has acknowledged.
pub async fn durability(bench: &Bench<'_>) -> Result<Vec<Measurement>> {
    let _replica = start_replica(bench).await?;
    let mut measured = Vec::new();
    for (label, appendfsync, replicas) in DURABILITY {
        let redis = &bench.side().sandbox.stores.redis;
        redis.configure("appendfsync", appendfsync).await?;
        let wait = [("REDIS_WAIT_REPLICAS", replicas)];
        measured.push(accept(bench, label, &wait).await?);
    }
    Ok(measured)
}

/// The cost of tracing no order, one in a hundred, and all.
pub async fn traces(bench: &Bench<'_>) -> Result<Vec<Measurement>> {
    let mut measured = vec![accept(bench, "none", &[]).await?];
    for (label, share) in [("1 %", "0.01"), ("all", "1")] {
        // It keeps what it is sent, so each share has its own.
        let collector = Receiver::start()?;
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
        let traces = [endpoint, ("OTEL_TRACES_SAMPLER_ARG", share)];
        measured.push(accept(bench, label, &traces).await?);
    }
    Ok(measured)
}

/// Orders that an API and a worker with these settings accept and write.
async fn accept(bench: &Bench<'_>, label: &str, settings: &[(&str, &str)]) -> Result<Measurement> {
    let side = bench.side();
    let start = |program, log| side.start_service(program, log, settings);
    let mut worker = start("inventory-worker", "settings-worker").await?;
    let mut api = start("ingest-api", "settings-api").await?;
    let mut watched = bench.watched()?;
    watched.add(Part::Worker, worker.pid());
    watched.add(Part::Api, api.pid());
    let product = unique("settings");
    side.open_sale(&product).await?;
    let over = (api.address()?, CONNECTIONS);
    let orders = |run| Requests::orders(vec![product.clone()], run);
    closed(over, WARM_UP, orders("warm-up")).await?;
    side.everything_is_written().await?;
    let load = async {
        let limit = Duration::from_secs(bench.seconds().into());
        let tally = closed(over, limit, orders("measured")).await?;
        side.everything_is_written().await?;
        Ok(tally)
    };
    let mut measured = bench.told(&watched, load).await?;
    measured.label = label.to_owned();
    measured.add("spans that the API sent", api.metric(SPANS_SENT).await?);
    api.stop(STOP_LIMIT).await?;
    worker.stop(STOP_LIMIT).await?;
    Ok(measured)
}

/// A replica that has all of this Redis. It ends when it is dropped.
async fn start_replica(bench: &Bench<'_>) -> Result<Child> {
    let (stack, sandbox) = (&bench.lab.stack, &bench.side().sandbox);
    let master = stack.redis_url.rsplit_once(':');
    let (_, master) = master.context("the URL of Redis has no port")?;
    let replica = Command::new(stack.redis_server())
        .args(["--port", &free_port()?.to_string()])
        .args(["--bind", "127.0.0.1", "--save", ""])
        .args(["--replicaof", "127.0.0.1", master])
        .current_dir(sandbox.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting a replica")?;
    wait_until("the replica has all", REPLICA_LIMIT, async || {
        let replication = ["INFO", "replication"];
        let info: String = sandbox.stores.redis.command(&replication).await?;
        ensure!(info.contains("state=online"), "{info}");
        Ok(())
    })
    .await?;
    Ok(replica)
}
