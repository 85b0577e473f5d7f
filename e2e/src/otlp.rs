//! A receiver of traces by OTLP over HTTP, like any collector. It keeps the spans it receives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::{Bytes, Data, PayloadConfig, post};
use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle};
use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;

const BODY_MAX: usize = 16 << 20;

type Spans = Arc<Mutex<Vec<Span>>>;

/// Takes traces until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    spans: Spans,
    server: ServerHandle,
}

/// A span that was received. Ids are in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The service that sent it.
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for the first span of a trace.
    pub parent: String,
    pub attributes: BTreeMap<String, String>,
    /// Ids of the spans that it links to.
    pub links: Vec<String>,
}

impl Receiver {
    pub fn start() -> Result<Self> {
        let spans = Spans::default();
        let shared = Data::new(Arc::clone(&spans));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(PayloadConfig::new(BODY_MAX))
                .route("/v1/traces", post().to(take))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .context("opening a port")?;
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            url: format!("http://{address}"),
            spans,
            server: handle,
        })
    }

    /// What services are given as OTEL_EXPORTER_OTLP_ENDPOINT.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn spans(&self) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // The server is told at once and ends by itself.
        drop(self.server.stop(false));
    }
}

async fn take(body: Bytes, spans: Data<Spans>) -> HttpResponse {
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            let came = request.resource_spans.into_iter().flat_map(Span::all_of);
            let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
            spans.extend(came);
            HttpResponse::Ok().finish()
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

impl Span {
    fn all_of(sent: ResourceSpans) -> impl Iterator<Item = Self> {
        let resource = sent.resource.unwrap_or_default();
        let service = texts(resource.attributes).remove("service.name");
        let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Self {
            service: service.clone().unwrap_or_default(),
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            attributes: texts(span.attributes),
            name: span.name,
        })
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |it: KeyValue| match it.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => (it.key, text),
        Some(Value::IntValue(number)) => (it.key, number.to_string()),
        other => (it.key, format!("{other:?}")),
    };
    attributes.into_iter().map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
