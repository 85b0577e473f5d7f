//! Draws the trace of one real order, from the request to the row, as a receiver of traces got it.
//!
//! `trace docs/images/trace.svg`, with a stack's addresses in the environment (`scripts/stack env`).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use e2e::order::Sale;
use e2e::otlp::{Receiver, Span, draw};
use e2e::process::Settings;
use e2e::program::Program::{IngestApi, InventoryWorker};
use e2e::sandbox::Sandbox;
use e2e::stack::Stack;
use e2e::until::until;

/// Orders before the one that is drawn: the first ones of a process are slow.
const WARM_UP: usize = 500;
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Parser)]
struct Arguments {
    /// The SVG to be written
    picture: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let picture = Arguments::parse().picture;
    let sandbox = Sandbox::new(Stack::from_env()?).await?;
    let trace = trace_of_one_order(&sandbox).await;
    sandbox.discard().await?;
    let title = "One order: as an OTLP receiver got it from the two services";
    std::fs::write(&picture, draw(title, &trace?))
        .with_context(|| format!("writing {}", picture.display()))
}

async fn trace_of_one_order(sandbox: &Sandbox) -> Result<Vec<Span>> {
    let receiver = Receiver::start()?;
    let more = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_TRACES_SAMPLER_ARG", "1"),
    ];
    let more: Settings = more.map(|(name, value)| (name.into(), value.into())).into();
    let mut api = sandbox.spawn_with(IngestApi, more.clone())?;
    let mut worker = sandbox.spawn_with(InventoryWorker, more)?;
    tokio::try_join!(api.ready(), worker.ready())?;
    let (client, sale) = (api.client()?, Sale::unique("traced", 1_000)?);
    client.open(&sale).await?;
    for buyer in 0..WARM_UP {
        client.order(&sale.order_of(buyer)).await;
    }
    let answer = client.order(&sale.order_of(WARM_UP)).await;
    let id = answer.outcome.order_id().context("it was not accepted")?;
    let id = id.to_string();

    until("all its spans have come", LIMIT, async || {
        let spans = receiver.spans();
        let of_order = |name: &str| {
            let mut found = spans.iter().filter(|span| span.name == name);
            found.find(|span| span.notes.get("order.id") == Some(&id))
        };
        let request = of_order("POST /orders").context("no request")?;
        let write = of_order("write").context("no write")?;
        let ours = |span: &&Span| span.trace == request.trace || span.links.contains(&write.id);
        let trace: Vec<Span> = spans.iter().filter(ours).cloned().collect();
        ensure!(trace.len() == 5, "{} spans", trace.len());
        Ok(trace)
    })
    .await
}
