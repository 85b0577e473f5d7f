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

/// Spans that may wait to be sent; more are dropped.
const QUEUE_MAX: usize = 8_192;
/// Spans in one call, and the pause between two calls.
const CALL_MAX: usize = 512;
const CALL_PAUSE: Duration = Duration::from_secs(1);
/// How long the receiver may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// Where OTLP over HTTP takes traces.
const PATH: &str = "/v1/traces";

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// No HTTP client can be had.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// The address is none.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Decides which requests are traced, and sends what was seen of them; by default none. Cheap to clone; all
/// clones are one.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<On>);

#[derive(Debug, Clone)]
struct On {
    provider: SdkTracerProvider,
    sampler: Sampler,
    share: f64,
}

impl Traces {
    /// Sets up sending, in the background, where the settings say so. `service` is the name by which its
    /// spans are known; `registry` shows what became of them.
    ///
    /// # Errors
    /// When the settings cannot work. A receiver that is away is no error.
    pub fn begin_sending(
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
            .with_timeout(CALL_LIMIT)
            .build()?;
        let counts = Counts::register(service, registry);
        let limits = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_max_export_batch_size(CALL_MAX)
            .with_scheduled_delay(CALL_PAUSE)
            .build();
        let sender = BatchSpanProcessor::builder(Counted::new(exporter, counts.clone()));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(CountedEnds::new(
                sender.with_batch_config(limits).build(),
                counts,
            ))
            // Decided when a request comes, before anything is made for it.
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

    /// The trace of a request that begins now, if it is to have one. `traceparent` is the header that
    /// its caller sent.
    pub fn begin(&self, traceparent: Option<&[u8]>) -> Option<Trace> {
        let on = self.0.as_ref()?;
        let caller = traceparent.and_then(RemoteParent::read);
        let wanted = match (&caller, on.sampler) {
            (Some(caller), Sampler::Caller) => caller.is_sampled(),
            _ => fastrand::f64() < on.share,
        };
        if !wanted {
            return None;
        }
        let parent = caller.map_or_else(Context::new, RemoteParent::into_context);
        let request = begin("request", SpanKind::Server, &parent)?;
        Some(Trace(Context::new().with_span(*request.0)))
    }

    /// Sends what waits, for a few seconds at most. Blocks.
    pub fn end_sending(&self) {
        if let Some(on) = &self.0
            && let Err(error) = on.provider.shutdown_with_timeout(CALL_LIMIT)
        {
            tracing::warn!(%error, "not all traces were sent");
        }
    }
}

/// Its own threads; a runtime of ours must not be blocked by making one, nor by dropping it.
fn client() -> Result<reqwest::blocking::Client, reqwest::Error> {
    let build = || {
        reqwest::blocking::Client::builder()
            .timeout(CALL_LIMIT)
            .build()
    };
    let built = thread::spawn(build).join();
    built.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
