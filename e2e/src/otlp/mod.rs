//! A receiver of traces by OTLP over HTTP, like any collector. It keeps the spans it receives.

mod span;

pub use span::Span;

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::{Bytes, Data, PayloadConfig, post};
use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle};
use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
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
            spans
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(came);
            HttpResponse::Ok().finish()
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}
