//! The worker on a real Kafka and PostgreSQL; `make test` starts them. What needs several
//! processes is tested end to end, in `e2e/tests/`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cleanup_policy;
mod consuming;
mod dead_letters;
mod fixture;
mod gauges;
mod holds;
mod line;
mod log_continuity;
mod logs;
mod offset_gaps;
mod outage;
mod probes;
mod program;
mod proxy;
mod strangers;
