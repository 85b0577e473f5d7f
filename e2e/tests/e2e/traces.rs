use anyhow::{Context, Result, ensure};
use e2e::client::ADMIN_TOKEN;
use e2e::order::{order_key, user_id};
use e2e::otlp::{Receiver, Span};
use e2e::process::{Process, changed};
use e2e::program::Program::{IngestApi, InventoryWorker};
use e2e::sandbox::Sandbox;
use e2e::wait::wait_until;
use serde_json::json;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox, open_sales};

const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

#[test]
fn one_trace_leads_from_the_request_to_the_row() {
    in_a_sandbox(async |sandbox| {
        let receiver = Receiver::start()?;
        let (api, _worker) = services(sandbox, receiver.url(), "traceidratio", "1").await?;
        let id = order(&api, Some("01")).await?;

        let of_order = |span: &Span| span.attributes.get("order.id") == Some(&id);
        let trace = wait_until("the order's spans have come", WRITE_LIMIT, async || {
            let spans = receiver.spans();
            let written = spans.iter().any(|it| it.name == "write" && of_order(it));
            let answered = spans.iter().any(|it| it.name == "POST /orders");
            ensure!(written && answered, "{spans:?}");
            Ok(spans)
        })
        .await?;
        let one = |what: &str, wanted: &dyn Fn(&Span) -> bool| {
            let mut found = trace.iter().filter(|span| wanted(span));
            let span = found.next().with_context(|| format!("no {what}"))?;
            ensure!(found.next().is_none(), "more than one {what}");
            anyhow::Ok(span.clone())
        };
        let request = one("request", &|it| it.name == "POST /orders")?;
        let reserve = one("reserve", &|it| it.name == "reserve")?;
        let of_request = |it: &Span| it.name == "publish" && it.parent == request.id;
        let publish = one("publish", &of_request)?;
        let write = one("write", &|it| it.name == "write" && of_order(it))?;
        let of_write = |it: &Span| it.name == "write batch" && it.links.contains(&write.id);
        let batch = one("batch", &of_write)?;

        ensure!(of_order(&request), "{request:?}");
        ensure!(request.service == "ingest-api" && write.service == "inventory-worker");
        let status = &request.attributes["http.response.status_code"];
        ensure!(status == "202", "{request:?}");
        for (span, parent) in [
            (&request, CALLERS_SPAN),
            (&reserve, &request.id),
            (&publish, &request.id),
            (&write, &publish.id),
        ] {
            ensure!(span.parent == parent, "{span:?} is not a child of {parent}");
            ensure!(span.trace == CALLERS_TRACE, "{span:?} is of another trace");
        }
        ensure!(batch.trace != CALLERS_TRACE, "{batch:?}");
        ensure!(write.links == [batch.id.as_str()], "{write:?}");
        ensure!(batch.attributes.contains_key("batch.rows"), "{batch:?}");
        Ok(())
    });
}

#[test]
fn which_requests_are_traced_is_decided_by_the_service_or_by_its_caller() {
    in_a_sandbox(async |sandbox| {
        for (sampler, share, flag, is_traced) in [
            ("traceidratio", "0", "01", false),
            ("traceidratio", "1", "00", true),
            ("parentbased_traceidratio", "0", "01", true),
            ("parentbased_traceidratio", "1", "00", false),
        ] {
            let receiver = Receiver::start()?;
            let (mut api, _worker) = services(sandbox, receiver.url(), sampler, share).await?;
            order(&api, Some(flag)).await?;
            // Spans that wait are sent at the end.
            api.terminate(WRITE_LIMIT).await?;
            let spans = receiver.spans();
            let traced = spans.iter().any(|span| span.trace == CALLERS_TRACE);
            ensure!(traced == is_traced, "{sampler} {share} {flag}: {spans:?}");
        }
        Ok(())
    });
}

#[test]
fn an_unreachable_receiver_loses_spans_and_nothing_else() {
    in_a_sandbox(async |sandbox| {
        let unreachable = "http://127.0.0.1:1";
        let (mut api, _worker) = services(sandbox, unreachable, "traceidratio", "1").await?;
        order(&api, None).await?;
        let lost = r#"ingest_api_trace_spans_total{stage="failed"}"#;
        wait_until("the loss is counted", WRITE_LIMIT, async || {
            ensure!(api.metric(lost).await? > 0.0);
            Ok(())
        })
        .await?;
        api.stop(WRITE_LIMIT).await
    });
}

async fn services(
    sandbox: &Sandbox,
    endpoint: &str,
    sampler: &str,
    share: &str,
) -> Result<(Process, Process)> {
    let more = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_TRACES_SAMPLER", sampler),
        ("OTEL_TRACES_SAMPLER_ARG", share),
    ];
    let settings = changed(&sandbox.settings(), &more);
    let api = sandbox.start(IngestApi, settings.clone());
    tokio::try_join!(api, sandbox.start(InventoryWorker, settings))
}

/// Opens a sale and sends an order, with the caller's trace if there is a flag for it; returns the order's id.
async fn order(api: &Process, flag: Option<&str>) -> Result<String> {
    let sale = open_sales(api, 1, 10).await?.remove(0);
    let mut request = reqwest::Client::new()
        .post(format!("{}/orders", api.url()))
        .bearer_auth(ADMIN_TOKEN)
        .header("Idempotency-Key", order_key(1))
        .json(&json!({"productId": sale.product.as_str(), "userId": user_id(1)}));
    if let Some(flag) = flag {
        let header = format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-{flag}");
        request = request.header("traceparent", header);
    }
    let answer: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
    let id = answer["orderId"].as_str().context("no order id")?;
    Ok(id.to_owned())
}
