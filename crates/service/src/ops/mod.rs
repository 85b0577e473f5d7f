//! The endpoints for operators and load balancers: `/livez`, `/readyz`, `/health`, `/metrics`.
//!
//! Probes read the state that background tasks last recorded; a probe never calls a store.

mod health;
mod readiness;
mod routes;

pub use health::check_health;
pub use readiness::{Check, Need, Readiness};
pub use routes::{get_or_head, metrics, probes, routes};
