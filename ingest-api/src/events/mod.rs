//! Event streams of sales: one watcher for each sale reads its view and renders it, and all streams of the sale send what it
//! rendered.

mod event_stream;
mod latest_event;
mod sale_events;

pub use event_stream::EventStream;
pub use sale_events::{EventLimits, SaleEvents, StreamSlot};
