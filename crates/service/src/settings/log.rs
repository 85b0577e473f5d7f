use clap::{Args, ValueEnum};

/// Format of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a terminal.
    Pretty,
    /// One JSON object per line, for a log store.
    Json,
}

/// Log level and format.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogSettings {
    /// Format of the log lines
    #[arg(long, env = "LOG_FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,

    /// Log levels, in the syntax of tracing's EnvFilter
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub rust_log: String,
}
