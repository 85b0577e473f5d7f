use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as Sent};

/// A span that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The service that sent it.
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    /// In hex, as all ids here.
    pub trace: String,
    pub id: String,
    /// Empty for the first span of a trace.
    pub parent: String,
    pub attributes: BTreeMap<String, String>,
    /// Ids of the spans that it links to.
    pub links: Vec<String>,
}

impl Span {
    pub(super) fn all_of(sent: ResourceSpans) -> impl Iterator<Item = Self> {
        let resource = sent.resource.unwrap_or_default();
        let service = texts(resource.attributes).remove("service.name");
        let service = service.unwrap_or_default();
        let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Self::of(&service, span))
    }

    fn of(service: &str, sent: Sent) -> Self {
        let links = sent.links.iter().map(|link| hex(&link.span_id));
        Self {
            service: service.to_owned(),
            kind: sent.kind(),
            trace: hex(&sent.trace_id),
            id: hex(&sent.span_id),
            parent: hex(&sent.parent_span_id),
            links: links.collect(),
            attributes: texts(sent.attributes),
            name: sent.name,
        }
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter();
    texts.map(|it| (it.key, text(it.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
