use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler as Sdk, SdkTracerProvider,
};
use prometheus::Registry;

use super::export::{Counted, CountedEnds, Counts};
use super::remote_parent::RemoteParent;
use super::settings::{Sampler, TraceSettings};
use super::span::{Trace, begin, set_tracer};

/// Spans that may be queued; more are dropped.
const QUEUE_MAX: usize = 8_192;
/// Spans per export, and the delay between two exports.
const EXPORT_MAX: usize = 512;
const EXPORT_DELAY: Duration = Duration::from_secs(1);
/// Timeout of one export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// The path of traces in OTLP over HTTP.
const PATH: &str = "/v1/traces";

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// The endpoint is invalid.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Samples requests and exports their spans; off by default. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<On>);

#[derive(Debug, Clone)]
struct On {
    provider: SdkTracerProvider,
    sampler: Sampler,
    share: f64,
}

impl Traces {
    /// Starts exporting in the background, if an endpoint is set. `service` is the service name of the spans; `registry` gets
    /// the metric of their outcome.
    ///
    /// # Errors
    /// When the settings are unusable. An unavailable receiver is not an error.
    pub fn start(
        settings: &TraceSettings,
        service: &'static str,
        registry: &Registry,
    ) -> Result<Self, TracesError> {
        let Some(endpoint) = settings.endpoint() else {
            return Ok(Self::default());
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client()?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let counts = Counts::register(service, registry);
        let limits = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_max_export_batch_size(EXPORT_MAX)
            .with_scheduled_delay(EXPORT_DELAY)
            .build();
        let sender = BatchSpanProcessor::builder(Counted::new(exporter, counts.clone()));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(CountedEnds::new(
                sender.with_batch_config(limits).build(),
                counts,
            ))
            // Sampling is decided in begin(), before anything is created for the request.
            .with_sampler(Sdk::AlwaysOn)
            .with_resource(Resource::builder().with_service_name(service).build())
            .build();
        set_tracer(&provider);
        Ok(Self(Some(On {
            provider,
            sampler: settings.otel_traces_sampler,
            share: settings.otel_traces_sampler_arg,
        })))
    }

    /// Begins the trace of a request, if it is sampled. `traceparent` looks up the header of the request; it is called only
    /// if traces are on.
    pub fn begin<'a>(&self, traceparent: impl FnOnce() -> Option<&'a [u8]>) -> Option<Trace> {
        let on = self.0.as_ref()?;
        let caller = traceparent().and_then(RemoteParent::read);
        let is_sampled = match (&caller, on.sampler) {
            (Some(caller), Sampler::Caller) => caller.is_sampled(),
            _ => fastrand::f64() < on.share,
        };
        if !is_sampled {
            return None;
        }
        let parent = caller.map_or_else(Context::new, RemoteParent::into_context);
        let request = begin("request", SpanKind::Server, &parent)?;
        Some(Trace(Context::new().with_span(*request.0)))
    }

    /// Exports the queued spans, for a few seconds at most. Blocks.
    pub fn stop(&self) {
        if let Some(on) = &self.0
            && let Err(error) = on.provider.shutdown_with_timeout(EXPORT_TIMEOUT)
        {
            tracing::warn!(%error, "some spans were not exported");
        }
    }
}

/// Created on a thread of its own: creating or dropping the blocking client on a runtime's thread would block the runtime.
fn client() -> Result<reqwest::blocking::Client, reqwest::Error> {
    let build = || {
        reqwest::blocking::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .build()
    };
    let built = thread::spawn(build).join();
    built.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
