//! The scripts on a real Redis; `make test` starts one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod amendments;
mod connections;
mod fixture;
mod holds;
mod lost_keys;
mod named_acks;
mod own_redis;
mod queue;
mod queue_changes;
mod queue_draw;
mod queue_rollbacks;
mod queue_sale;
mod queue_starts;
mod queue_turns;
mod rates;
mod reconnecting;
mod restarted;
mod sale_model;
mod scripts;
mod shared_calls;
mod shared_entries;
mod snapshots;
mod unpaid;
mod unresponsive;
mod work_bound;
