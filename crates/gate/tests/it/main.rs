//! The scripts on a real Redis; `make test` starts one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixture;
mod lost_keys;
mod reconnecting;
mod restarted;
mod sale_model;
mod scripts;
mod shared_calls;
mod snapshots;
mod unresponsive;
mod work_bound;
