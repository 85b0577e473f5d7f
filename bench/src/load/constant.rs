//! Requests at a constant rate, however slowly they are answered. A latency counts from when its
//! request was due: one that had to wait for a free connection has waited.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::pacer::Pacer;
pub use e2e::pacer::Schedule;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::Connection;
use super::request::Prepared;

/// Enough that waiting for one is a sign of trouble.
const CONNECTIONS: usize = 256;

/// Until the first request is due, connections are made.
const LEAD: Duration = Duration::from_millis(500);

/// Longest that it may take after the last request was due.
const GRACE: Duration = Duration::from_secs(20);

/// What became of one request.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub number: u64,
    /// From when it was due.
    pub latency: Duration,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// Its connection had to be made anew.
    pub reconnected: bool,
}

impl Sent {
    pub fn latency_ms(&self) -> f64 {
        self.latency.as_secs_f64() * 1_000.0
    }
}

/// A schedule that begins in a moment.
pub fn soon(per_second: u32, seconds: u32) -> Schedule {
    Schedule {
        start: Instant::now() + LEAD,
        per_second,
        count: u64::from(per_second) * u64::from(seconds),
    }
}

/// Sends the request of each number when it is due. Ordered by number.
pub async fn send<F>(address: SocketAddr, schedule: Schedule, request: F) -> Result<Vec<Sent>>
where
    F: Fn(u64) -> Result<Prepared> + Send + Sync + 'static,
{
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::new(address);
        connection.ready().await.context("connecting")?;
        connections.push(connection);
    }
    send_over(connections, schedule, request).await
}

/// The same over connections that are there. They take turns: whichever has waited longest is next.
pub async fn send_over<F>(
    connections: Vec<Connection>,
    schedule: Schedule,
    request: F,
) -> Result<Vec<Sent>>
where
    F: Fn(u64) -> Result<Prepared> + Send + Sync + 'static,
{
    let (request, next) = (Arc::new(request), Arc::new(AtomicU64::new(0)));
    let pacer = Pacer::start(schedule, connections.len());
    let mut senders = JoinSet::new();
    for connection in connections {
        let line = Line {
            permits: pacer.permits(),
            next: next.clone(),
            schedule,
            connection,
        };
        senders.spawn(line.work(request.clone()));
    }
    let last_due = schedule.due(schedule.count);
    let limit = last_due.saturating_duration_since(Instant::now()) + GRACE;
    let mut sent = Vec::with_capacity(usize::try_from(schedule.count)?);
    let gathering = async {
        while let Some(done) = senders.join_next().await {
            sent.extend(done??);
        }
        anyhow::Ok(())
    };
    let gathered = timeout(limit, gathering).await;
    gathered.context("requests were not answered in time")??;
    sent.sort_by_key(|sent| sent.number);
    Ok(sent)
}

struct Line {
    permits: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    schedule: Schedule,
    connection: Connection,
}

impl Line {
    async fn work<F>(mut self, request: Arc<F>) -> Result<Vec<Sent>>
    where
        F: Fn(u64) -> Result<Prepared>,
    {
        let mut sent = Vec::new();
        loop {
            self.permits.acquire().await?.forget();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.schedule.count {
                return Ok(sent);
            }
            let made = self.connection.made();
            let status = self.connection.ask(request(number)?).await.ok();
            sent.push(Sent {
                number,
                latency: self.schedule.due(number).elapsed(),
                status,
                reconnected: self.connection.made() != made,
            });
        }
    }
}
