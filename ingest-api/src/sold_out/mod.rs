//! The sold-out cache: refusing orders from memory, under a lease that Redis grants.
//!
//! Most requests of a flash sale are refusals. While an instance holds a refusal lease of a sale, it answers `sold_out`,
//! `sale_closed` or `sale_not_open` itself. The answers stay exact: Redis sells no unit before the last lease has
//! expired (`lua/grant_refusal_lease.lua`), and a retry of an order that exists passes through to Redis
//! (docs/decisions/0012).

mod known_orders;
mod refusal_cache;
mod sale_refusals;

pub use known_orders::{KnownOrders, MemoryShare};
pub use refusal_cache::RefusalCache;
pub use sale_refusals::{CachedRefusal, RefusalReason, SaleRefusals};
