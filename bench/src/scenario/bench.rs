use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::process::Process;
use e2e::sandbox::Sandbox;

use super::Scenario;
use crate::lab::{Lab, Side};
use crate::load::{Requests, Tally, closed};
use crate::measure::processes::{ByPart, Watched, between};
use crate::measure::{Latency, Measurement};

/// Seconds of one measurement.
const SECONDS: u32 = 5;

/// The environment of one measurement.
pub struct Bench<'a> {
    pub lab: &'a Lab,
    /// The side that is measured.
    pub side: &'a Side,
    pub scenario: &'a Scenario,
    pub round: u32,
    pub seconds: Option<u32>,
    pub per_second: Option<u32>,
}

impl Bench<'_> {
    pub fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(SECONDS)
    }

    /// Of a scenario with several sizes.
    pub fn size(&self) -> u32 {
        self.scenario.size.unwrap_or_default()
    }

    pub fn watched(&self) -> Result<Watched> {
        self.lab.watched(self.side)
    }

    /// A name that no other measurement of this side has: for products and keys.
    pub fn unique(&self) -> String {
        self.scenario.unique(self.round)
    }

    /// A topic, a schema and their names that nothing else uses. The caller discards it.
    pub async fn sandbox(&self) -> Result<Sandbox> {
        // What is measured in it uses no Redis: its databases are few.
        let redis_url = &self.side.settings["REDIS_URL"];
        Sandbox::on(self.lab.stack.clone(), Some(redis_url)).await
    }

    /// Times `work`, which returns how many of `expected` rows or messages it wrote.
    pub async fn timed(
        &self,
        expected: u32,
        work: impl Future<Output = Result<u64>>,
    ) -> Result<Measurement> {
        let started = Instant::now();
        let timed = async { Ok((work.await?, started.elapsed())) };
        let ((count, elapsed), cpu_us) = sampled(&self.watched()?, timed).await?;
        ensure!(count == u64::from(expected), "{count} of {expected}");
        Ok(Measurement {
            count,
            seconds: elapsed.as_secs_f64(),
            cpu_us,
            ..Measurement::default()
        })
    }

    /// New orders of so many sales in turn.
    pub async fn accept_many(&self, sales: u32, connections: usize) -> Result<Measurement> {
        let run = self.unique();
        let products: Vec<_> = (0..sales).map(|n| format!("{run}-{n}")).collect();
        self.side.open_sales(&products).await?;
        let requests = Requests::orders(products.clone(), &run);
        let measured = self.closed(&self.side.api, connections, requests).await?;
        // The outbox relay looks at every open sale, which the next measurements must not pay for.
        self.side.close_sales(&products).await?;
        Ok(measured)
    }

    /// What `service` answers over so many connections in a closed loop.
    pub async fn closed(
        &self,
        service: &Process,
        connections: usize,
        requests: Requests,
    ) -> Result<Measurement> {
        let limit = Duration::from_secs(self.seconds().into());
        let load = closed((service.address()?, connections), limit, requests);
        told(&self.watched()?, load).await
    }
}

/// What `load` was answered, and the CPU of its time.
pub async fn told(
    watched: &Watched,
    load: impl Future<Output = Result<Tally>>,
) -> Result<Measurement> {
    let (tally, cpu_us) = sampled(watched, load).await?;
    if let Some(wrong) = &tally.wrong {
        eprintln!("bench: a wrong answer: {wrong}");
    }
    // If all orders are refused, refusals are what is measured.
    let (latencies, refusals) = match tally.latencies_us.is_empty() {
        true => (tally.refusals_us, Vec::new()),
        false => (tally.latencies_us, tally.refusals_us),
    };
    Ok(Measurement {
        count: tally.count,
        seconds: tally.seconds,
        errors: tally.errors,
        latency_ms: Latency::of_us(latencies),
        refusals_ms: Latency::of_us(refusals),
        cpu_us,
        ..Measurement::default()
    })
}

/// The result of some work, and the CPU used meanwhile.
pub async fn sampled<T>(
    watched: &Watched,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, ByPart)> {
    let before = watched.cpu_us()?;
    let done = work.await?;
    Ok((done, between(&before, &watched.cpu_us()?)))
}
