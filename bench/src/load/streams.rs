//! Clients of event streams. They note when events arrive and when streams end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ingest_api::open_files;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The longest time until something comes.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Open streams of one sale.
pub struct Streams {
    count: u32,
    seen: mpsc::UnboundedReceiver<Seen>,
}

enum Seen {
    /// The sale has so many units left.
    Event { remaining: u32, at: Instant },
    /// The stream has ended; its client would come back then.
    End { at: Instant, back_at: Instant },
}

/// When streams ended, and when their clients would come back.
pub struct Ends {
    pub ended_at: Vec<Instant>,
    pub back_at: Vec<Instant>,
}

impl Streams {
    /// Opens streams of `product`. Returns when each has shown the sale, with the units that are left.
    pub async fn open(server: SocketAddr, product: &str, count: u32) -> Result<(Self, u32)> {
        let files = open_files::raise_limit();
        ensure!(files > count.into(), "only {files} open files are allowed");
        let request = format!("GET /products/{product}/events HTTP/1.1\r\nHost: {server}\r\n\r\n");
        let (seeing, seen) = mpsc::unbounded_channel();
        for _ in 0..count {
            let mut stream = TcpStream::connect(server).await?;
            stream.write_all(request.as_bytes()).await?;
            tokio::spawn(watch(stream, seeing.clone()));
        }
        let mut this = Self { count, seen };
        let mut remaining = 0;
        for _ in 0..count {
            match this.next().await? {
                Seen::Event {
                    remaining: left, ..
                } => remaining = left,
                Seen::End { .. } => anyhow::bail!("a stream has ended"),
            }
        }
        Ok((this, remaining))
    }

    /// When each stream showed so many units.
    pub async fn show(&mut self, units: u32) -> Result<Vec<Instant>> {
        let mut shown = Vec::new();
        while shown.len() < self.count as usize {
            match self.next().await? {
                Seen::Event { remaining, at } if remaining == units => shown.push(at),
                Seen::Event { .. } => {}
                Seen::End { .. } => anyhow::bail!("a stream has ended"),
            }
        }
        Ok(shown)
    }

    /// Waits until all streams have ended.
    pub async fn end(mut self) -> Result<Ends> {
        let mut ends = Ends {
            ended_at: Vec::new(),
            back_at: Vec::new(),
        };
        while ends.ended_at.len() < self.count as usize {
            if let Seen::End { at, back_at } = self.next().await? {
                ends.ended_at.push(at);
                ends.back_at.push(back_at);
            }
        }
        Ok(ends)
    }

    async fn next(&mut self) -> Result<Seen> {
        let seen = timeout(WAIT_LIMIT, self.seen.recv()).await;
        seen.context("nothing comes")?
            .context("all streams have ended")
    }
}

impl Ends {
    /// The most clients that come back within a second.
    pub fn most_per_second(&mut self) -> usize {
        self.back_at.sort_unstable();
        let within = |(first, from): (usize, &Instant)| {
            let end = *from + Duration::from_secs(1);
            self.back_at.partition_point(|at| *at < end) - first
        };
        self.back_at
            .iter()
            .enumerate()
            .map(within)
            .max()
            .unwrap_or_default()
    }
}

/// Reads a stream to its end. The lines of an event are never split between chunks of the body.
async fn watch(mut stream: TcpStream, seen: mpsc::UnboundedSender<Seen>) {
    let (mut received, mut retry) = (Vec::new(), Duration::ZERO);
    while let Ok(1..) = stream.read_buf(&mut received).await {
        let at = Instant::now();
        let complete = received.iter().rposition(|byte| *byte == b'\n');
        let rest = received.split_off(complete.map_or(0, |end| end + 1));
        for line in received.split(|byte| *byte == b'\n') {
            let line = str::from_utf8(line).unwrap_or_default();
            if let Some(ms) = line.strip_prefix("retry: ") {
                retry = Duration::from_millis(ms.parse().unwrap_or_default());
            } else if let Some(remaining) = line.strip_prefix("data: ").and_then(remaining)
                && seen.send(Seen::Event { remaining, at }).is_err()
            {
                return;
            }
        }
        received = rest;
    }
    let at = Instant::now();
    let back_at = at + retry;
    let _ = seen.send(Seen::End { at, back_at });
}

fn remaining(data: &str) -> Option<u32> {
    let (_, rest) = data.split_once("\"remaining\":")?;
    let (units, _) = rest.split_once(',')?;
    units.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_a_sale_are_read() {
        let data = r#"{"productId":"p","total":5,"remaining":4,"status":"open"}"#;
        assert_eq!(remaining(data), Some(4));
        assert_eq!(remaining("{}"), None);
    }

    #[test]
    fn the_most_clients_within_a_second_are_counted() {
        let start = Instant::now();
        let after = |ms: &[u64]| {
            ms.iter()
                .map(|ms| start + Duration::from_millis(*ms))
                .collect()
        };
        let mut ends = Ends {
            ended_at: Vec::new(),
            back_at: after(&[2_500, 0, 900, 1_000, 1_899, 1_901]),
        };
        assert_eq!(ends.most_per_second(), 3);
    }
}
