use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
};

use super::span::{Span, begin};

/// The header of requests and records that carries the trace context (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// `00-`, 32 hex digits, `-`, 16 hex digits, `-`, 2 hex digits; what later versions append is not read.
const BYTES: usize = 55;

/// The span that a request or a record was sent from, usually of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteParent(SpanContext);

impl RemoteParent {
    /// Reads a `traceparent` header; `None` if it is malformed.
    pub fn read(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (head, rest) = text.split_at_checked(BYTES)?;
        let mut parts = head.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_lower_hex =
            |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = [version.len(), trace.len(), span.len(), flags.len()];
        let well_formed = lengths == [2, 32, 16, 2]
            && [version, trace, span, flags].into_iter().all(is_lower_hex)
            && version != "ff"
            && (rest.is_empty() || (version != "00" && rest.starts_with('-')));
        if !well_formed {
            return None;
        }
        let span = SpanContext::new(
            TraceId::from_hex(trace).ok()?,
            SpanId::from_hex(span).ok()?,
            TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        span.is_valid().then_some(Self(span))
    }

    /// The trace id.
    pub fn id(&self) -> TraceId {
        self.0.trace_id()
    }

    /// Whether the trace is sampled.
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }

    /// Begins a child span in this service; `None` if the trace is not sampled or traces are off.
    pub fn child_span(&self, name: &'static str, kind: SpanKind) -> Option<Span> {
        let sampled = self.is_sampled();
        sampled
            .then(|| begin(name, kind, &self.clone().into_context()))
            .flatten()
    }

    pub(crate) fn into_context(self) -> Context {
        Context::new().with_remote_span_context(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(header: &str) -> Option<RemoteParent> {
        RemoteParent::read(header.as_bytes())
    }

    #[test]
    fn a_header_is_read_with_its_flag() {
        let parent = read(HEADER).unwrap();
        assert!(parent.is_sampled());
        let span = &parent.0;
        let text = span.trace_id().to_string();
        assert_eq!(text, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.id().to_string(), text);
        assert_eq!(span.span_id().to_string(), "00f067aa0ba902b7");
        assert!(!read(&HEADER.replace("-01", "-00")).unwrap().is_sampled());
    }

    #[test]
    fn a_malformed_header_is_no_parent() {
        let zeros = "0".repeat(32);
        let wrong = [
            "".to_owned(),
            HEADER[1..].to_owned(),
            format!("{HEADER}-more"),
            HEADER.to_uppercase(),
            HEADER.replace("00-4b", "ff-4b"),
            HEADER.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            HEADER.replace("00f067aa0ba902b7", &zeros[..16]),
            HEADER.replace('3', "ß"),
        ];
        for header in wrong {
            assert_eq!(read(&header), None, "{header}");
        }
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(read(&format!("{}-more", HEADER.replace("00-4b", "01-4b"))).is_some());
    }
}
