//! Alerts, their tests, dashboards and metrics agree.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod alerts;
mod dashboards;
mod promtool;
