//! How Fluxgate's programs connect to PostgreSQL: what a URL says, TLS, pools and what they tell of themselves.

mod address;
mod causes;
mod pool;
mod pool_metrics;
mod ssl_mode;

pub use address::{Address, UrlError};
pub use causes::causes;
pub use pool::{PoolSettings, show};
