//! SIGTERM and SIGINT as a token that every task can await.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT.
///
/// If the process is still running `timeout` after the signal, it exits with code 0: no guarantee depends on an orderly
/// shutdown.
///
/// # Errors
/// When the process cannot install signal handlers.
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
        // A thread, not a task: it must fire even if every task is stuck.
        std::thread::spawn(move || {
            std::thread::sleep(timeout);
            tracing::error!("SHUTDOWN_TIMEOUT_SECONDS elapsed; exiting with unfinished work");
            std::process::exit(0);
        });
    });
    Ok(token)
}
