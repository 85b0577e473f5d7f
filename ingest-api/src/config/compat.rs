use std::num::NonZeroU32;

use clap::Args;

use fluxgate_service::settings::Switch;

/// The routes of the original Flux-Gate, for its clients.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Compatibility")]
pub struct CompatSettings {
    /// Whether `POST /init` and `POST /order` exist; they ask for no token
    #[arg(long, env = "COMPAT_ROUTES", default_value = "off")]
    pub compat_routes: Switch,

    /// Orders a second and copy on `POST /order`; above it the answer is a redirect
    #[arg(
        long,
        env = "COMPAT_RATE_PER_SECOND",
        requires = "compat_waiting_room_url"
    )]
    pub compat_rate_per_second: Option<NonZeroU32>,

    /// Where that redirect leads
    #[arg(
        long,
        env = "COMPAT_WAITING_ROOM_URL",
        requires = "compat_rate_per_second"
    )]
    pub compat_waiting_room_url: Option<String>,
}
