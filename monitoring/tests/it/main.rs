//! What is written down about alerts and dashboards holds together.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod alert_tests;
mod alerts;
mod dashboards;
mod declared;
mod metrics;
mod promtool;
