//! Collects records into batches, by number or by age; finds the trace that a record belongs to.

mod builder;

pub use builder::{BatchBuilder, ReadFrom};

use fluxgate_domain::batch::Record;
use fluxgate_service::traces::RemoteParent;

/// The span that a record was sent from, if its trace is sampled.
pub fn remote_parent(record: &Record) -> Option<RemoteParent> {
    RemoteParent::read(record.traceparent.as_deref()?.as_bytes())
}
