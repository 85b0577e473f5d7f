use std::time::Duration;

use fluxgate_core::metrics::Declared;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::{IntCounter, IntCounterVec, Registry};

/// What became of the spans of this process.
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
            help: "Spans, by what became of them: ended, then sent or failed (the receiver did not take them); \
                   those that are neither wait, or were dropped because too many did.",
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

/// Counts what ends, and does nothing with it.
impl SpanProcessor for Counts {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        self.ended.inc();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// An exporter whose calls are counted.
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
                tracing::warn!(%error, spans, "spans were not sent");
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
