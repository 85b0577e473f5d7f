//! The same orders on more and more partitions, one worker.

use anyhow::Result;

use super::result::Point;
use super::{Arguments, drained};
use crate::drain::{self, Drain};
use crate::lab::Lab;

/// As many everywhere, so that only the partitions differ.
const SALES: u32 = 96;

pub async fn measure(lab: &Lab, arguments: &Arguments) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for round in 1..=arguments.rounds {
        for partitions in &arguments.partitions {
            eprintln!("bench: {partitions} partitions, round {round}");
            let log = lab.folder.join("drain.log");
            let drain = Drain {
                orders: arguments.orders,
                sales: SALES,
                partitions: *partitions,
                kafka_brokers: lab.stack.kafka_brokers()?,
                database_url: lab.stack.database_url()?,
                log: &log,
            };
            let done = drain::measure(drain, &lab.watched()?).await?;
            let size = u32::try_from(*partitions)?;
            points.push(drained(size, round, arguments.orders, done));
        }
    }
    Ok(points)
}
