//! Warms up Kafka, whose JVM compiles its hot paths while it works. A broker that was just started takes several times
//! as much CPU per order as one that has run for a while, and on one machine the other processes then lack that CPU.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Lab;
use crate::load::{Requests, closed};
use crate::measure::processes::{Part, between};

const SLICE: Duration = Duration::from_secs(15);
const SLICES_MAX: u32 = 20;
/// A slice shows no progress if its CPU per order is more than this share of the lowest before.
const PROGRESS: f64 = 0.95;
/// Kafka is warm after this many consecutive slices without progress.
const ENOUGH: u32 = 2;

/// Places orders until Kafka's CPU per order stops falling.
pub async fn until_kafka_is_warm(lab: &Lab) -> Result<()> {
    let (mut cheapest, mut without_progress) = (f64::INFINITY, 0);
    for side in &lab.sides {
        side.open_sale("warm-up").await?;
    }
    for slice in 0..SLICES_MAX {
        let side = &lab.sides[slice as usize % lab.sides.len()];
        let watched = lab.watched(side)?;
        let before = watched.cpu_us()?;
        let requests = Requests::orders(vec!["warm-up".into()], &format!("warm-up-{slice}"));
        let tally = closed((side.api.address()?, 64), SLICE, requests).await?;
        ensure!(
            tally.count > tally.errors,
            "no order was taken: {:?}",
            tally.wrong
        );
        let cpu = between(&before, &watched.cpu_us()?);
        let kafka = cpu.get(&Part::Kafka).context("Kafka is watched")?;
        let each = *kafka as f64 / tally.count as f64;
        eprintln!("bench: warm-up: {each:.1} us of Kafka's CPU per order");
        without_progress = match each < PROGRESS * cheapest {
            true => 0,
            false => without_progress + 1,
        };
        cheapest = cheapest.min(each);
        if without_progress == ENOUGH {
            break;
        }
    }
    Ok(())
}
