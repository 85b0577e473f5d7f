use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::trace::{
    FutureExt, Span as _, SpanContext, SpanKind, Status, TraceContextExt, TraceId, Tracer,
    TracerProvider as _, WithContext,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use crate::SCOPE;

/// A process sends all its traces to one place.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

pub fn set_tracer(provider: &SdkTracerProvider) {
    TRACER.get_or_init(|| provider.tracer(SCOPE));
}

pub fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// A part of a trace that has begun. Ends when it is dropped. In a box, because what is not traced should not
/// carry its room either.
#[derive(Debug)]
pub struct Step(pub(crate) Box<Span>);

impl Step {
    /// What others continue the trace by: a header of W3C Trace Context.
    pub fn traceparent(&self) -> String {
        traceparent(self.0.span_context())
    }

    /// Adds what is known by now.
    pub fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(key, value));
    }

    /// It did not work out.
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.0.set_status(Status::error(reason));
    }

    /// Says that this and another step, of whatever trace, belong together.
    pub fn link(&mut self, other: &Self) {
        let other = other.0.span_context().clone();
        self.0.add_link(other, Vec::new());
    }

    /// A step that belongs to no trace yet, and begins one.
    pub fn first(name: &'static str, kind: SpanKind) -> Option<Self> {
        begin(name, kind, &Context::new())
    }
}

/// The next step of the trace that the calling future belongs to; nothing where it belongs to none.
#[inline]
pub fn step(name: &'static str, kind: SpanKind) -> Option<Step> {
    Context::map_current(|context| {
        let traced = context.has_active_span();
        traced.then(|| begin(name, kind, context)).flatten()
    })
}

/// Adds what is known by now to the trace that the calling future belongs to.
#[inline]
pub fn note<V: Into<Value>>(key: &'static str, value: impl FnOnce() -> V) {
    Context::map_current(|context| {
        if context.has_active_span() {
            let value = KeyValue::new(key, value());
            context.span().set_attribute(value);
        }
    });
}

/// The trace of one request. Ends with its answer: when it is dropped.
#[derive(Debug)]
pub struct Trace(pub(crate) Context);

impl Trace {
    /// The same future, whose steps belong to this trace.
    pub fn around<F: Future>(&self, future: F) -> WithContext<F> {
        future.with_context(self.0.clone())
    }

    /// What the request turned out to be.
    pub fn name(&self, name: String) {
        self.0.span().update_name(name);
    }

    /// Adds what is known by now.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        self.0.span().set_attribute(KeyValue::new(key, value));
    }

    /// It did not work out.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) {
        self.0.span().set_status(Status::error(reason));
    }

    /// By which it is found.
    pub fn id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }
}

pub fn begin(name: &'static str, kind: SpanKind, parent: &Context) -> Option<Step> {
    let tracer = tracer()?;
    let span = tracer.span_builder(name).with_kind(kind);
    Some(Step(Box::new(span.start_with_context(tracer, parent))))
}

fn traceparent(span: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        span.trace_id(),
        span.span_id(),
        span.trace_flags().to_u8()
    )
}
