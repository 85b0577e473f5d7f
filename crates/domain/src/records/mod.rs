//! What Redis keeps of an order, a restock, a closing, an amendment, and the start and the changes of a queue: short texts, see `lua/README.md`.
//!
//! Short text instead of the event's JSON: a million orders of one sale must fit into memory, and Lua should not build
//! JSON. Each event follows from its record alone, so every instance publishes the same bytes.

mod amendment;
mod closing;
mod order;
mod queue_change;
mod queue_start;
mod restock;

pub use amendment::AmendmentRecord;
pub use closing::ClosingRecord;
pub use order::{CancelRecord, Mark, OrderRecord};
pub use queue_change::QueueChangeRecord;
pub use queue_start::QueueStartRecord;
pub use restock::RestockRecord;

use jiff::Timestamp;

/// The text is not a record of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {kind}: {text:?}")]
pub struct MalformedRecord {
    /// What was expected: `order record`, `restock record`.
    pub kind: &'static str,
    /// The beginning of the text.
    pub text: String,
}

impl MalformedRecord {
    pub(crate) fn new(kind: &'static str, text: &str) -> Self {
        let text = text.chars().take(200).collect();
        Self { kind, text }
    }
}

/// Reads Unix time in milliseconds.
fn millisecond(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}
