use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::trace::{
    FutureExt, Span as _, SpanContext, SpanKind, Status, TraceContextExt, TraceId, Tracer,
    TracerProvider as _, WithContext,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};

use crate::traces::SCOPE;

/// Set once: a process sends all its traces to one receiver.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

pub fn set_tracer(provider: &SdkTracerProvider) {
    TRACER.get_or_init(|| provider.tracer(SCOPE));
}

pub fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// A span that has begun. It ends when it is dropped. Boxed: an untraced request should not carry the size of a span.
#[derive(Debug)]
pub struct Span(pub(super) Box<SdkSpan>);

impl Span {
    /// The `traceparent` header with which another service continues the trace (W3C Trace Context).
    pub fn traceparent(&self) -> String {
        traceparent(self.0.span_context())
    }

    /// Sets an attribute.
    pub fn set_attribute(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(key, value));
    }

    /// Sets the status to error.
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.0.set_status(Status::error(reason));
    }

    /// Links this span to a span of any trace.
    pub fn link(&mut self, other: &Self) {
        let other = other.0.span_context().clone();
        self.0.add_link(other, Vec::new());
    }

    /// Begins a new trace with its root span; `None` if traces are off.
    pub fn root(name: &'static str, kind: SpanKind) -> Option<Self> {
        begin(name, kind, &Context::new())
    }
}

/// Begins a child of the calling future's span; `None` if the future is not traced.
#[inline]
pub fn child_span(name: &'static str, kind: SpanKind) -> Option<Span> {
    Context::map_current(|context| {
        let traced = context.has_active_span();
        traced.then(|| begin(name, kind, context)).flatten()
    })
}

/// Sets an attribute of the calling future's span, if it is traced.
#[inline]
pub fn set_attribute<V: Into<Value>>(key: &'static str, value: impl FnOnce() -> V) {
    Context::map_current(|context| {
        if context.has_active_span() {
            let value = KeyValue::new(key, value());
            context.span().set_attribute(value);
        }
    });
}

/// The root span of one request. It ends when it is dropped.
#[derive(Debug)]
pub struct Trace(pub(super) Context);

impl Trace {
    /// The same future, with this span as the parent of its spans.
    pub fn instrument<F: Future>(&self, future: F) -> WithContext<F> {
        future.with_context(self.0.clone())
    }

    /// Sets the name.
    pub fn name(&self, name: String) {
        self.0.span().update_name(name);
    }

    /// Sets an attribute.
    pub fn set_attribute(&self, key: &'static str, value: impl Into<Value>) {
        self.0.span().set_attribute(KeyValue::new(key, value));
    }

    /// Sets the status to error.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) {
        self.0.span().set_status(Status::error(reason));
    }

    /// The trace id.
    pub fn id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }
}

pub fn begin(name: &'static str, kind: SpanKind, parent: &Context) -> Option<Span> {
    let tracer = tracer()?;
    let span = tracer.span_builder(name).with_kind(kind);
    Some(Span(Box::new(span.start_with_context(tracer, parent))))
}

fn traceparent(span: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        span.trace_id(),
        span.span_id(),
        span.trace_flags().to_u8()
    )
}
