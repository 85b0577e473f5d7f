//! Connections that are cut, reset, slow or blocked, and requests that never end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Component, Environment, Mode};
use crate::order::Sale;

/// How long connections are slow.
const SLOW: Duration = Duration::from_secs(5);
/// How long every connection is reset in the end.
const RESET: Duration = Duration::from_secs(2);
/// How long nothing gets through: longer than every caller waits.
const BLOCKED: Duration = Duration::from_secs(6);
/// Times that connections are cut or reset.
const PULSES: usize = 6;
/// Half an order: the rest never comes.
const HALF_ORDER: &[u8] = b"POST /orders HTTP/1.1\r\nHost: api\r\nIdempotency-Key: slow\r\n\
    Content-Type: application/json\r\nContent-Length: 60\r\n\r\n{\"productId\":";
/// More of them than IN_FLIGHT_MAX in this row.
const SLOW_BODIES: usize = 1_000;

/// From the moment when connections are forgotten to the crowd, and its orders.
const QUIET: Duration = Duration::from_secs(4);
const CROWD: u32 = 64;

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

/// Slow bodies on many connections to each instance, until they have been given up.
pub async fn send_slow_bodies(env: &mut Environment) -> Result<()> {
    let mut connections = Vec::new();
    for api in &env.apis {
        for _ in 0..SLOW_BODIES {
            let mut connection = TcpStream::connect(api.address()?).await?;
            connection.write_all(HALF_ORDER).await?;
            connections.push(connection);
        }
    }
    sleep(BLOCKED).await;
    for api in &env.apis {
        let refused = api.metric("ingest_api_in_flight_limit_hits_total").await?;
        ensure!(
            refused == 0.0,
            "slow bodies held slots: {refused} requests were refused"
        );
        let late = api
            .metric(r#"ingest_api_body_limit_hits_total{limit="time"}"#)
            .await?;
        ensure!(late == SLOW_BODIES as f64, "{late} bodies were given up");
    }
    Ok(())
}

/// An instance without buyers takes a crowd of orders after all connections to Redis have been dropped in silence.
pub async fn forget_quiet(env: &mut Environment) -> Result<()> {
    env.add(Component::Api, &[])?;
    env.ready().await?;
    let client = env.apis.last().context("it was added")?.client()?;
    let sale = Sale::unique("quiet", CROWD)?;
    client.open(&sale).await?;
    env.network.forget_connections();
    env.mark("connections forgotten");
    sleep(QUIET).await;
    // Concurrent, so that they reach every thread.
    let orders = (0..CROWD).map(|buyer| client.order(&sale, buyer));
    let orders = join_all(orders).await;
    let refused = orders.iter().filter(|order| !order.is_done()).count();
    ensure!(refused == 0, "{refused} of {CROWD} orders were refused");
    Ok(())
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
