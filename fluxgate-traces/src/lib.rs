//! One trace from a request over Redis and Kafka to the row that came of it (OpenTelemetry, sent by OTLP).
//!
//! ```text
//! POST /orders            SERVER     begun by Traces::begin, for a share of the requests
//! ├─ reserve              CLIENT     a Step: Redis
//! └─ publish              PRODUCER   a Step: Kafka; its context travels in the header `traceparent`
//!    └─ write             CONSUMER   Origin::continue_as, in the worker; linked with its batch
//! write batch             CLIENT     a trace of its own: PostgreSQL, linked with every order in it
//! ```
//!
//! Off unless told where to send them. Whether a request gets a trace is decided once, when it comes;
//! one that gets none costs a look at a thread-local variable wherever there could be a step.

mod export;
mod origin;
mod settings;
mod step;
mod traces;

pub use opentelemetry::trace::SpanKind;
pub use origin::{Origin, TRACEPARENT};
pub use settings::{Sampler, TraceSettings};
pub use step::{Step, Trace, note, step};
pub use traces::{Traces, TracesError};

/// The name under which all spans are made.
const SCOPE: &str = "fluxgate";
