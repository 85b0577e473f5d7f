//! Whether memory stays where it is while orders come for long: `make bench-soak`.

mod result;
mod sale;
mod samples;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use crate::beside::beside;
use crate::lab::Lab;
use crate::load::constant::{self, Sent};
use crate::load::mixed::Mixed;
use crate::machine::Machine;
use crate::measurement::{Moment, over_time};
use crate::program::{self, results_folder, write};
use crate::redis::Redis;
use result::Outcome;
use sale::Sale;
use samples::{Sample, look};

/// One order in so many is taken.
const TAKEN_EVERY: u64 = 10;
/// How long a closed sale stays in Redis here.
const RECORD_TTL_SECONDS: u32 = 5;
const PAUSE_BETWEEN_SAMPLES: Duration = Duration::from_secs(5);
/// Points of the latency's picture.
const STEPS: f64 = 60.0;

/// Sends orders at a constant rate for long, and looks at everybody's memory
#[derive(Debug, Clone, Parser)]
#[command(name = "soak")]
pub struct Arguments {
    /// Seconds of load
    #[arg(long, env = "SOAK_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(30..=7_200))]
    pub seconds: u32,

    /// Orders a second; one in ten is taken, the others are of a sale that is sold out
    #[arg(long, env = "PER_SECOND", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    pub per_second: u32,

    /// The folder of the repository
    #[arg(long, default_value = ".")]
    pub repository: PathBuf,
}

/// Lets orders come, then looks at what they left in Redis, closes the sale and waits until it is gone;
/// writes the result into `.local/bench`. Exit code 1 when something
/// falls short.
pub fn run(arguments: &Arguments) -> ExitCode {
    program::main(measure_all(arguments))
}

async fn measure_all(arguments: &Arguments) -> Result<bool> {
    let folder = results_folder(&arguments.repository)?;
    let ttl = RECORD_TTL_SECONDS.to_string();
    let settings = [("ORDER_RECORD_TTL_SECONDS", ttl.as_str())];
    let mut lab = Lab::open(&arguments.repository, folder.clone(), &settings).await?;
    lab.set_worker(true).await?;
    lab.warm_up(3).await?;
    lab.worker_has_written().await?;

    let redis = Redis::at(lab.stack.redis_url()?)?;
    let sale = Sale::open(&lab, &redis).await?;
    eprintln!("bench: soaking for {} s", arguments.seconds);
    let (sent, samples, mixed) = load(&lab, &redis, arguments).await?;
    lab.worker_has_written().await?;
    eprintln!("bench: what the orders left in Redis, and that it goes");
    let in_redis = sale
        .end(&lab, &redis, mixed.taken_of(sent.len() as u64))
        .await?;
    let outcome = Outcome {
        machine: Machine::look(&arguments.repository),
        per_second: arguments.per_second,
        seconds: arguments.seconds,
        taken_every: TAKEN_EVERY,
        errors: mixed.wrong(&sent),
        latency_ms: moments(&sent, arguments),
        samples,
        in_redis,
    };
    lab.close().await?;
    write(&folder, "soak.json", &outcome.json()?)?;
    write(&folder, "soak.md", &outcome.markdown())?;
    write(&folder, "soak.html", &outcome.page()?)?;
    println!("{}", outcome.markdown());
    Ok(outcome.falls_short().is_empty())
}

async fn load(
    lab: &Lab,
    redis: &Redis,
    arguments: &Arguments,
) -> Result<(Vec<Sent>, Vec<Sample>, Mixed)> {
    let address = lab.api_address()?;
    let mixed = Mixed {
        product: sale::PRODUCT.to_owned(),
        taken_every: TAKEN_EVERY,
        run: sale::PRODUCT.to_owned(),
        // Everybody orders once, as the record of a user is one that Redis keeps.
        users: u64::MAX,
    };
    let orders = mixed.clone();
    let schedule = constant::soon(arguments.per_second, arguments.seconds);
    let sending = constant::send(address, schedule, move |n| orders.order(address, n));
    let mut samples = Vec::new();
    let sent = beside(sending, PAUSE_BETWEEN_SAMPLES, async || {
        let at = schedule.start.elapsed().as_secs_f64();
        samples.push(look(lab, redis, at).await?);
        Ok(())
    });
    Ok((sent.await?, samples, mixed))
}

fn moments(sent: &[Sent], arguments: &Arguments) -> Vec<Moment> {
    let per_second = f64::from(arguments.per_second);
    let by_time: Vec<_> = sent
        .iter()
        .map(|sent| (sent.number as f64 / per_second, sent.latency_ms()))
        .collect();
    over_time(&by_time, f64::from(arguments.seconds) / STEPS)
}
