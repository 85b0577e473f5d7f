//! The ledger on a real PostgreSQL; `make test` starts it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
mod batch;
mod dead_letter_copies;
mod encoding;
mod fixture;
mod gaps;
mod holds;
mod indexes;
mod logs;
mod paths;
mod positions;
mod reads;
mod refusals;
mod schema;
mod sessions;
