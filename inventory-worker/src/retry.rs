//! The delays between two attempts at what must succeed in the end.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

pub const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// From 100 ms to a second, with jitter, without end.
pub fn retry_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(LONGEST_DELAY)
        .with_jitter()
        .without_max_times()
        .build()
}
