//! Drives the real programs over real Redis, Kafka and PostgreSQL.
//!
//! | module | holds |
//! |---|---|
//! | [`stack`] | the three stores, and how to make one unavailable |
//! | [`tls_listeners`] | their encrypted listeners, each with a password |
//! | [`fleet`] | Redis with replicas: under Sentinels, or as a Cluster |
//! | [`sandbox`] | own names on shared stores: topics, group, schema, Redis database |
//! | [`process`], [`program`] | a service as a process: start, kill, freeze, ask |
//! | [`client`], [`order`], [`answer`], [`contract`] | one request over HTTP, and its answer judged by the contract |
//! | [`exchange`] | both, as the player records them and the checker reads them |
//! | [`load`], [`pacer`] | many orders at once or at a constant rate; the programs `demo` and `rehearse` |
//! | [`scale`] | workers and instances of the API come and go under load; the program `scale` |
//! | [`limits`] | the limits of a sale hold under load; the program `limits` |
//! | [`queue`] | a crowd goes through the queue of a sale; the program `queue` |
//! | [`faults`] | runs in which something breaks; the program `faults` |
//! | [`deployment`], [`stores`] | services that run, and what the stores behind them hold |
//! | [`checker`] | answers against what the stores hold: what is lost, duplicated, oversold, stranded |
//! | [`otlp`] | a receiver of traces |
//! | [`memory`] | the memory of a process |
//! | [`table`], [`wait`] | the tables that the programs print; waiting for a condition |
//!
//! A function without an `# Errors` section fails when a service or store does not answer, or
//! answers something that is not in its contract.

// What its name says completely has no doc.
#![allow(missing_docs)]

pub mod answer;
pub mod checker;
pub mod client;
pub mod contract;
pub mod deployment;
pub mod exchange;
pub mod faults;
pub mod fleet;
pub mod limits;
pub mod load;
pub mod memory;
pub mod order;
pub mod otlp;
pub mod pacer;
pub mod process;
pub mod program;
pub mod queue;
pub mod sandbox;
pub mod scale;
pub mod stack;
pub mod stores;
pub mod table;
pub mod tls_listeners;
pub mod wait;

use std::process::ExitCode;

/// Prints the last line of a program, and says how it ends.
pub fn conclude(program: &str, outcome: anyhow::Result<String>) -> ExitCode {
    match outcome {
        Ok(line) => {
            println!("{program}: ok, {line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{program}: FAILED, {error:#}");
            ExitCode::FAILURE
        }
    }
}
