use clap::Args;

/// How much the service takes on at once.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Requests under way at once; above it new ones are answered 503 `overloaded`
    #[arg(long, env = "IN_FLIGHT_MAX", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..))]
    pub in_flight_max: u32,

    /// Most bytes of a request's body; above it the answer is 413
    #[arg(long, env = "BODY_LIMIT_BYTES", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(256..=4_194_304))]
    pub body_limit_bytes: u32,

    /// Threads that answer HTTP [default: one per core]
    #[arg(long, env = "HTTP_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub http_threads: Option<u16>,
}
