//! The worker's transaction on a real PostgreSQL; `make test` starts it. What needs Kafka too is
//! tested end to end, in `e2e/tests/`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixture;
mod program;
mod store;
