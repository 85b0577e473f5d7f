//! Kafka's machine compiles its hot paths while it works. A broker that has just been started takes
//! many times the CPU for an order of one that has run for a while, as any broker of a real sale
//! has; and on one machine that CPU is missing elsewhere.

use anyhow::{Context, Result};

use crate::cpu::{self, Part};
use crate::lab::Lab;

const SLICE_SECONDS: u32 = 15;
const SLICES_MAX: u32 = 20;
/// A slice in which an order cost more than this part of the cheapest before shows no progress.
const PROGRESS: f64 = 0.95;
/// So many slices in a row without progress: it is warm.
const ENOUGH: u32 = 2;

/// Orders until Kafka takes no less CPU for each of them any more.
pub async fn until_kafka_is_warm(lab: &Lab) -> Result<()> {
    lab.open_sale("warm-up").await?;
    let watched = lab.watched()?;
    let (mut cheapest, mut without_progress) = (f64::INFINITY, 0);
    for slice in 0..SLICES_MAX {
        let before = watched.sample()?;
        let orders = lab.orders("warm-up", slice, SLICE_SECONDS).await?;
        let cpu = cpu::between(&before, &watched.sample()?);
        let kafka = cpu.get(&Part::Kafka).context("Kafka is watched")?;
        let each = *kafka as f64 / orders as f64;
        eprintln!("bench: warm-up: {each:.1} us of Kafka's CPU for an order");
        without_progress = if each < PROGRESS * cheapest {
            0
        } else {
            without_progress + 1
        };
        cheapest = cheapest.min(each);
        if without_progress == ENOUGH {
            break;
        }
    }
    Ok(())
}
