//! Logs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::settings::{LogFormat, LogSettings, refuse};

/// Sets up logging to stderr. Call once, first in `main`.
pub fn init(settings: &LogSettings) {
    let filter =
        EnvFilter::try_new(&settings.rust_log).unwrap_or_else(|error| refuse("RUST_LOG", error));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.log_format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
}
