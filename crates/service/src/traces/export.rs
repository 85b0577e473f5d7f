use std::time::Duration;

use crate::metrics::Declared;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::{IntCounter, IntCounterVec, Registry};

/// Counts the spans of this process by outcome.
#[derive(Debug, Clone)]
pub struct Counts {
    ended: IntCounter,
    sent: IntCounter,
    failed: IntCounter,
}

impl Counts {
    pub fn register(service: &str, registry: &Registry) -> Self {
        let declared = Declared {
            service: &service.replace('-', "_"),
            name: "trace_spans_total",
            help: "Spans, by stage: ended, then sent or failed (the export failed). Ended spans that are \
                   neither are queued, or were dropped because the queue was full.",
            labels: &["stage"],
            buckets: &[],
        };
        let spans: IntCounterVec = declared.register(registry);
        let stage = |stage| spans.with_label_values(&[stage]);
        Self {
            ended: stage("ended"),
            sent: stage("sent"),
            failed: stage("failed"),
        }
    }
}

/// Counts the ended spans of a processor. It wraps the processor because the SDK copies every span for each of several
/// processors.
#[derive(Debug)]
pub struct CountedEnds<P> {
    inner: P,
    counts: Counts,
}

impl<P> CountedEnds<P> {
    pub fn new(inner: P, counts: Counts) -> Self {
        Self { inner, counts }
    }
}

impl<P: SpanProcessor> SpanProcessor for CountedEnds<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.counts.ended.inc();
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts the spans that an exporter sends.
#[derive(Debug)]
pub struct Counted<E> {
    inner: E,
    counts: Counts,
}

impl<E> Counted<E> {
    pub fn new(inner: E, counts: Counts) -> Self {
        Self { inner, counts }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.inner.export(batch).await;
        let counter = match &outcome {
            Ok(()) => &self.counts.sent,
            Err(error) => {
                tracing::warn!(%error, spans, "failed to export spans");
                &self.counts.failed
            }
        };
        counter.inc_by(spans);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
