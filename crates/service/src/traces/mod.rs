//! OpenTelemetry traces, sent by OTLP over HTTP: one trace from the request over Redis and Kafka to the row.
//!
//! ```text
//! POST /orders            SERVER     Traces::begin, for a share of the requests
//! ├─ reserve              CLIENT     child_span(): Redis
//! └─ publish              PRODUCER   child_span(): Kafka; the record's header `traceparent` carries the context
//!    └─ write             CONSUMER   RemoteParent::child_span(), in the worker; linked to its batch
//! write batch             CLIENT     Span::root(): PostgreSQL, linked to every order in it
//! ```
//!
//! Off unless an endpoint is set. Whether a request is sampled is decided once, when it arrives; an unsampled one costs
//! a look at a thread-local variable wherever there could be a span.

mod export;
mod remote_parent;
mod settings;
mod span;
mod tracer;

pub use opentelemetry::trace::SpanKind;
pub use remote_parent::{RemoteParent, TRACEPARENT};
pub use settings::{Sampler, TraceSettings};
pub use span::{Span, Trace, child_span, set_attribute};
pub use tracer::{Traces, TracesError};

/// The instrumentation scope of all spans.
const SCOPE: &str = "fluxgate";
