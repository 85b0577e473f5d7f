//! The endpoints that operators and load balancers ask: `/livez`, `/readyz`, `/health`, `/metrics`.
//!
//! Probes read what the service's own loops last noted; a probe never calls a store itself.

mod health;
mod readiness;
mod routes;

pub use health::ask_own_health;
pub use readiness::{Check, Need, Readiness};
pub use routes::{get_or_head, metrics, probes, routes};
