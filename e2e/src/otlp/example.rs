//! One real order, from the request to the row.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Receiver, Span};
use crate::order::Sale;
use crate::process::Settings;
use crate::program::Program::{IngestApi, InventoryWorker};
use crate::sandbox::Sandbox;
use crate::stack::Stack;
use crate::until::until;

/// Orders before the one that is looked at: the first ones pay for connections.
const WARM_UP: usize = 500;
const LIMIT: Duration = Duration::from_secs(60);

/// All spans of one order that real services took and wrote.
///
/// # Errors
/// When there is no stack, or a service does not do as it should.
#[tokio::main]
pub async fn trace_one_order() -> Result<Vec<Span>> {
    let sandbox = Sandbox::new(Stack::from_env()?).await?;
    let trace = order_and_receive(&sandbox).await;
    sandbox.discard().await?;
    trace
}

async fn order_and_receive(sandbox: &Sandbox) -> Result<Vec<Span>> {
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
