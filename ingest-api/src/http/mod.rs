//! HTTP: routes, handlers, problems. The contract is `docs/API.md`. Only this folder knows status codes.

mod access;
mod body;
mod compat;
mod cors;
mod events;
mod failure_log;
mod figures;
mod observe;
mod orders;
mod pages;
mod problem;
mod products;
mod queue;
mod queue_change;
mod rate_limit;
mod recent_joins;
mod request;
mod routes;
mod sale_request;
mod tries;

pub use access::{Access, Identity};
pub use body::BodyReader;
pub use compat::WaitingRoom;
pub use cors::CorsPolicy;
pub use observe::Observer;
pub use problem::Problem;
pub use rate_limit::RateLimit;
pub use recent_joins::RecentJoins;
pub use routes::{Services, routes};
pub use tries::TryLimits;
