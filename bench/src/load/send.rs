use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::pacer::Pacer;
pub use e2e::pacer::Schedule;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

use super::connection::{Answer, Connection};
use super::requests::{Requests, Want};

/// Connections of a constant rate: with so many, a request waits for a free one only if answers are far too slow.
const CONNECTIONS: usize = 256;
/// Time to open the connections before the first request is due.
const LEAD: Duration = Duration::from_millis(500);
/// Longest time for the answers after the last request, and for connecting.
const GRACE: Duration = Duration::from_secs(20);

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// A closed loop: every connection sends its next request as soon as it is answered, until the time is over.
    Closed(Duration),
    /// At a constant rate, however slowly requests are answered. A latency counts from when its request was due, so it
    /// includes the wait for a free connection.
    Constant(Schedule),
}

/// The answers.
#[derive(Debug, Default)]
pub struct Tally {
    pub count: u64,
    pub seconds: f64,
    /// Wrong answers, and requests without an answer.
    pub errors: u64,
    /// An example of a wrong answer.
    pub wrong: Option<String>,
    /// Requests whose connection had to be reopened.
    pub reconnected: u64,
    pub latencies_us: Vec<u32>,
    /// The latencies of refusals.
    pub refusals_us: Vec<u32>,
}

/// A schedule that begins after the connections have been opened.
pub fn soon(per_second: u32, seconds: u32) -> Schedule {
    Schedule {
        start: Instant::now() + LEAD,
        per_second,
        count: u64::from(per_second) * u64::from(seconds),
    }
}

/// Runs a closed loop over this many connections, until the time is over or there are no more requests.
pub async fn closed(
    (address, connections): (SocketAddr, usize),
    limit: Duration,
    requests: Requests,
) -> Result<Tally> {
    let connections = connect(address, connections).await?;
    send(connections, Pace::Closed(limit), requests).await
}

pub async fn constant(
    address: SocketAddr,
    schedule: Schedule,
    requests: Requests,
) -> Result<Tally> {
    let connections = connect(address, CONNECTIONS).await?;
    constant_over(connections, schedule, requests).await
}

/// A constant rate over these connections.
pub async fn constant_over(
    connections: Vec<Connection>,
    schedule: Schedule,
    requests: Requests,
) -> Result<Tally> {
    send(connections, Pace::Constant(schedule), requests).await
}

pub async fn connect(address: SocketAddr, count: usize) -> Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = Connection::new(None, address);
        timeout(GRACE, connection.connect()).await??;
        connections.push(connection);
    }
    Ok(connections)
}

/// Sends over connections that take turns: the one that has waited longest is next.
pub async fn send(connections: Vec<Connection>, pace: Pace, requests: Requests) -> Result<Tally> {
    let started = Instant::now();
    let (end, pacer) = match pace {
        Pace::Closed(limit) => (started + limit, None),
        Pace::Constant(schedule) => {
            let pacer = Pacer::start(schedule, connections.len());
            (schedule.due(schedule.count), Some(pacer))
        }
    };
    let shared = Arc::new((requests, AtomicU64::new(0)));
    let mut lines = JoinSet::new();
    for connection in connections {
        let permits = pacer.as_ref().map(|it| it.permits.clone());
        let line = line(connection, pace, end, permits, shared.clone());
        lines.spawn(timeout_at((end + GRACE).into(), line));
    }
    let mut all = Tally::default();
    while let Some(tally) = lines.join_next().await {
        all.add(tally?.context("requests were not answered in time")??);
    }
    all.seconds = match pace {
        Pace::Closed(_) => started.elapsed().as_secs_f64(),
        Pace::Constant(schedule) => schedule.due_after(schedule.count).as_secs_f64(),
    };
    Ok(all)
}

async fn line(
    mut connection: Connection,
    pace: Pace,
    end: Instant,
    permits: Option<Arc<Semaphore>>,
    shared: Arc<(Requests, AtomicU64)>,
) -> Result<Tally> {
    let (requests, next) = &*shared;
    let (mut tally, mut request) = (Tally::default(), String::new());
    loop {
        if let Some(permits) = &permits {
            permits.acquire().await?.forget();
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (due, count) = match pace {
            Pace::Closed(_) => (Instant::now(), u64::MAX),
            Pace::Constant(schedule) => (schedule.due(number), schedule.count),
        };
        let want = requests.write(number, connection.address, &mut request);
        let Some(want) = want.filter(|_| number < count && due < end) else {
            return Ok(tally);
        };
        let made = connection.made;
        let answer = connection.ask(request.as_bytes()).await;
        tally.note(want, due.elapsed(), answer);
        tally.reconnected += u64::from(connection.made != made);
    }
}

impl Tally {
    fn note(&mut self, want: Want, latency: Duration, answer: Result<Answer<'_>>) {
        let latency = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        match want {
            Want::SoldOut => self.refusals_us.push(latency),
            _ => self.latencies_us.push(latency),
        }
        self.count += 1;
        let wrong = match answer {
            Ok(answer) if want.is_met_by(&answer) => return,
            Ok(answer) => format!("{} {}", answer.head, answer.body),
            Err(error) => format!("{error:#}"),
        };
        self.errors += 1;
        self.wrong.get_or_insert(wrong);
    }

    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.seconds = self.seconds.max(other.seconds);
        self.errors += other.errors;
        self.reconnected += other.reconnected;
        self.wrong = self.wrong.take().or(other.wrong);
        self.latencies_us.extend(other.latencies_us);
        self.refusals_us.extend(other.refusals_us);
    }
}
