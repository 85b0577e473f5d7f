use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Returns with the name of the first signal that asks for an end.
pub async fn signalled() -> Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
