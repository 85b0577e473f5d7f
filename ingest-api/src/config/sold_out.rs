use std::time::Duration;

use clap::Args;

/// How a copy says no without asking Redis.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sold out")]
pub struct SoldOutSettings {
    /// Milliseconds that a copy refuses from memory before it asks Redis again; units that come back
    /// are sellable after at most as long. 0: every order asks Redis
    #[arg(long, env = "SOLD_OUT_LEASE_MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub sold_out_lease_ms: u64,

    /// Orders of sold-out and closed sales that a copy keeps in memory, 8 bytes each
    #[arg(long, env = "SOLD_OUT_ORDERS_MAX", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub sold_out_orders_max: u32,
}

impl SoldOutSettings {
    /// How long a refusal lease lasts.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.sold_out_lease_ms)
    }
}
