//! How often a client may try.

use clap::Args;

use crate::limits::{Rate, TrustedProxies};

/// Limits on tries to order. Each instance counts by itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rate limits")]
pub struct RateLimitSettings {
    /// Maximum tries to order or to join a queue from one client address (IPv6: one /64), per instance: `20/1s` allows 20 at once, and one more
    /// every 50 ms. Further ones are answered 429 `rate_limited`; calls with a token that allows admin calls are not limited
    /// [default: none]
    #[arg(long, env = "RATE_LIMIT_PER_ADDRESS")]
    pub rate_limit_per_address: Option<Rate>,

    /// Maximum tries to order or to join a queue for one user, per instance, written and answered as RATE_LIMIT_PER_ADDRESS [default: none]
    #[arg(long, env = "RATE_LIMIT_PER_USER")]
    pub rate_limit_per_user: Option<Rate>,

    /// Networks of proxies whose X-Forwarded-For says which address a client has, comma-separated: 10.0.0.0/8,2001:db8::/32
    /// [default: none; the client is who connects]
    #[arg(long, env = "TRUSTED_PROXIES")]
    pub trusted_proxies: Option<TrustedProxies>,

    /// Number of addresses, and of users, whose tries an instance counts at a time, 17 bytes each, taken at the start
    #[arg(long, env = "RATE_LIMIT_KEYS_MAX", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(16..=100_000_000))]
    pub rate_limit_keys_max: u32,
}
