//! The same crowd over more and more products: accepting with the worker stopped, then a drain.

use anyhow::Result;

use super::result::Point;
use super::{Arguments, drained};
use crate::drain::{self, Drain};
use crate::lab::Lab;
use crate::load::wrk::Wrk;
use crate::measurement::Measurement;
use crate::scenario::closed_loop::{TAKEN, run};

const CONNECTIONS: u32 = 256;
const PARTITIONS: i32 = 12;

pub async fn measure(lab: &Lab, arguments: &Arguments) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for products in &arguments.products {
        for n in 0..*products {
            lab.open_sale(&product(*products, n)).await?;
        }
    }
    for round in 1..=arguments.rounds {
        for products in &arguments.products {
            eprintln!("bench: {products} products, round {round}");
            points.push(accept(lab, *products, round, arguments.seconds).await?);
            let log = lab.folder.join("drain.log");
            let drain = Drain {
                orders: arguments.orders,
                sales: *products,
                partitions: PARTITIONS,
                kafka_brokers: lab.stack.kafka_brokers()?,
                database_url: lab.stack.database_url()?,
                log: &log,
            };
            let done = drain::measure(drain, &lab.watched()?).await?;
            points.push(drained(*products, round, arguments.orders, done));
        }
    }
    Ok(points)
}

async fn accept(lab: &Lab, products: u32, round: u32, seconds: u32) -> Result<Point> {
    let (name, run_name) = (name(products), format!("growth-{products}-{round}"));
    let load = Wrk {
        scripts: &lab.scripts,
        script: "order.lua",
        connections: CONNECTIONS,
        seconds,
        url: lab.api.url(),
        arguments: vec![name, run_name, products.to_string()],
    };
    let empty = Measurement::empty("accept", Some(CONNECTIONS), round);
    Ok(Point {
        size: products,
        measurement: run(lab, &load, Some(TAKEN), empty).await?,
        worker_peak_kib: None,
        table_bytes: None,
    })
}

fn name(products: u32) -> String {
    format!("growth-{products}")
}

/// As in bench/wrk/order.lua.
fn product(products: u32, n: u32) -> String {
    format!("{}-{n}", name(products))
}
