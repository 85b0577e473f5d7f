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

pub async fn cut(env: &mut Environment) -> Result<()> {
    pulse(env, Mode::CutReplies).await;
    Ok(())
}

pub async fn reset(env: &mut Environment) -> Result<()> {
    pulse(env, Mode::Reset).await;
    hold(env, Mode::Reset, RESET).await
}

pub async fn slow_down(env: &mut Environment) -> Result<()> {
    let delay = env.rng.choice([50, 200, 600]).unwrap_or(200);
    env.mark(&format!("{delay} ms each way"));
    hold(env, Mode::Latency(Duration::from_millis(delay)), SLOW).await
}

pub async fn block(env: &mut Environment) -> Result<()> {
    hold(env, Mode::Blackhole, BLOCKED).await
}

async fn hold(env: &Environment, mode: Mode, time: Duration) -> Result<()> {
    env.network.set(mode);
    sleep(time).await;
    env.network.set(Mode::Pass);
    Ok(())
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
