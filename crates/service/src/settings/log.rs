use clap::{Args, ValueEnum};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person at a terminal.
    Pretty,
    /// One JSON object a line, for a log store.
    Json,
}

/// What is logged, and how it looks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogSettings {
    /// How log lines look
    #[arg(long, env = "LOG_FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,

    /// What is logged, in the syntax of tracing's EnvFilter
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub rust_log: String,
}
