//! The delays between two attempts at what must succeed in the end.

use std::time::Duration;

use backon::ExponentialBuilder;

/// From 100 ms to a second, with jitter, without end.
pub fn retry_delays() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .without_max_times()
}
