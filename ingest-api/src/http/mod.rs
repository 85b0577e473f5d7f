//! HTTP: the only folder that knows status codes. `docs/API.md` is its contract.

mod admin;
mod body;
mod compat;
mod connections;
mod failures;
mod idempotency;
mod observe;
mod orders;
mod problem;
mod products;
mod routes;

pub use admin::AdminToken;
pub use compat::CompatLimits;
pub use connections::Connections;
pub use observe::Observer;
pub use problem::Problem;
pub use routes::{Services, routes};
