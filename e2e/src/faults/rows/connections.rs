//! Connections that are cut, reset, slow or blocked.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Environment, Mode};

/// How long connections are slow.
const SLOW: Duration = Duration::from_secs(5);
/// How long every connection is reset in the end.
const RESET: Duration = Duration::from_secs(2);
/// How long nothing gets through: longer than every caller waits.
const BLOCKED: Duration = Duration::from_secs(6);
/// Times that connections are cut or reset.
const PULSES: usize = 6;

/// Sets the proxies of the run to this mode, and back. A latency is chosen by the seed.
pub async fn disturb(env: &mut Environment, mode: Mode) -> Result<()> {
    match mode {
        Mode::Pass => {}
        Mode::CutReplies => pulse(env, mode).await,
        Mode::Reset => {
            pulse(env, mode).await;
            hold(env, mode, RESET).await;
        }
        Mode::Latency(_) => {
            let delay = env.rng.choice([50, 200, 600]).unwrap_or(200);
            env.mark(&format!("{delay} ms each way"));
            hold(env, Mode::Latency(Duration::from_millis(delay)), SLOW).await;
        }
        Mode::Blackhole => hold(env, mode, BLOCKED).await,
    }
    Ok(())
}

async fn hold(env: &Environment, mode: Mode, time: Duration) {
    env.network.set(mode);
    sleep(time).await;
    env.network.set(Mode::Pass);
}

/// Several times for a moment: while replies are cut, hardly any client gets far enough to send a request.
async fn pulse(env: &mut Environment, mode: Mode) {
    for _ in 0..PULSES {
        env.network.set(mode);
        env.wait_ms(50..300).await;
        env.network.set(Mode::Pass);
        env.wait_ms(100..600).await;
    }
}
