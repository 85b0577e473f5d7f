//! `ingest-api` with real Redis, Kafka and PostgreSQL; `make test` starts them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod acker;
mod amendments;
mod bodies;
mod changes;
mod connections;
mod cross_origin;
mod encrypted_keys;
mod errors;
mod events;
mod figures;
mod fixture;
mod gauges;
mod holds;
mod index_repair;
mod invalid;
mod key_loading;
mod log_lines;
mod losses;
mod orders;
mod outbox;
mod over;
mod pages;
mod program;
mod queue;
mod queue_changes;
mod queue_joins;
mod queue_secrets;
mod queue_starts;
mod queue_turns;
mod rate_limits;
mod reads;
mod relay_lease;
mod replays;
mod reservations;
mod retired;
mod sold_out;
mod tokens;
