//! Pictures, as SVG text.

mod bars;
mod frame;
mod latency;
mod over_time;

pub use bars::{cpu, throughput};
pub use latency::latency;
pub use over_time::over_time;
