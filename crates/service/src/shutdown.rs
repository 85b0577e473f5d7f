//! SIGTERM and SIGINT as a token that every task can await.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT, or by an essential task that fails.
///
/// If the process is still running `timeout` later, it exits: no guarantee depends on an orderly shutdown. The exit code
/// is 0 after a signal, otherwise 1.
///
/// # Errors
/// When the process cannot install signal handlers.
pub fn on_signal(timeout: Duration) -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => Some("SIGTERM"),
            _ = interrupt.recv() => Some("SIGINT"),
            () = cancelled.cancelled() => None,
        };
        if let Some(signal) = signal {
            tracing::info!(signal, "shutting down");
        }
        cancelled.cancel();
        // A thread, not a task: it must fire even if every task is stuck.
        std::thread::spawn(move || {
            std::thread::sleep(timeout);
            tracing::error!("SHUTDOWN_TIMEOUT_SECONDS elapsed; exiting with unfinished work");
            std::process::exit(i32::from(signal.is_none()));
        });
    });
    Ok(token)
}
