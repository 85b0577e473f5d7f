//! SIGTERM and SIGINT, as something every task can await.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT.
///
/// Whatever has not ended `timeout` after the signal is cut off: the process exits with code 0,
/// because nothing here depends on an orderly end.
///
/// # Errors
/// When the process may not install signal handlers.
pub fn on_signal(timeout: Duration) -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "shutting down");
        cancelled.cancel();
        // A thread, not a task: it must fire even when every task is stuck.
        std::thread::spawn(move || {
            std::thread::sleep(timeout);
            tracing::error!("SHUTDOWN_TIMEOUT_SECONDS is over; what is left is cut off");
            std::process::exit(0);
        });
    });
    Ok(token)
}
