//! One worker from a full topic to committed rows, alone: what `bench` measures among all else.

use anyhow::Result;
use bench::drain::{Drain, drain};
use clap::Parser;

/// Measures how fast one worker drains a topic
#[derive(Parser)]
struct Arguments {
    /// Orders on the topic
    #[arg(long, default_value_t = 600_000)]
    orders: u32,
    /// Sales that they are of, in turn
    #[arg(long, default_value_t = 12)]
    sales: u32,
    /// Partitions, on which the sales are in turn
    #[arg(long, default_value_t = 12)]
    partitions: i32,
    /// Bootstrap brokers
    #[arg(long, env = "KAFKA_BROKERS")]
    kafka_brokers: String,
    /// PostgreSQL
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let log = std::env::temp_dir().join(format!("drain-{}.log", std::process::id()));
    let drained = drain(Drain {
        orders: arguments.orders,
        sales: arguments.sales,
        partitions: arguments.partitions,
        kafka_brokers: &arguments.kafka_brokers,
        database_url: &arguments.database_url,
        log: &log,
    });
    // It is in the folder for temporary files; nothing depends on its going.
    let _ = std::fs::remove_file(&log);
    let drained = drained?;

    let seconds = drained.elapsed.as_secs_f64();
    let rate = f64::from(arguments.orders) / seconds;
    println!(
        "drained {} orders in {seconds:.2} s: {rate:.0} rows/s, worker's peak memory {} MiB",
        arguments.orders,
        drained.worker_peak_kib / 1_024
    );
    Ok(())
}
