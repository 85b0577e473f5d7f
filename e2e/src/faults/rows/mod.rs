//! The faults, one row of the matrix each. A new one is a file here, and its name below.

mod crash;
mod disk;
mod failover;
mod kafka;
mod kill;
mod network;
mod pause;
mod postgres;
mod rebuild;
mod redis;
mod workers;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use super::checker::Violation;
use super::drivers::Rates;
use super::links::Cut;
use super::stage::Stage;

/// Changes whenever a row, the drivers or the checker do: results of another version are run again.
pub const VERSION: u32 = 2;

/// Breaks something and mends it again; what is broken when it returns was meant to stay so.
pub type Fault = Box<dyn for<'a> Fn(&'a mut Stage) -> LocalBoxFuture<'a, Result<()>>>;

/// A fault with a name.
pub struct Row {
    /// As it is called on the command line and in results.
    pub name: String,
    /// What is done, in one line.
    pub about: &'static str,
    /// What is different from the start.
    pub setup: Setup,
    /// Whether Redis may lose acknowledged writes by it: then it must be reported.
    pub may_lose: bool,
    /// Whether the fault ends with a rebuild, so that service must be normal again all the same.
    pub repairs: bool,
    /// What this fault does by its nature, and is no violation here.
    pub excuses: fn(&Violation) -> bool,
    /// The deed.
    pub fault: Fault,
}

/// How the stage of a run differs from the usual one.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which ways can be cut.
    pub cut: Cut,
    /// What all services are started with, beside the usual.
    pub settings: &'static [(&'static str, &'static str)],
    /// What the drivers do in a second.
    pub rates: Rates,
    /// Whether services are ready and sales open before the fault.
    pub starts_ready: bool,
    /// Which Redis they use.
    pub redis: Redis,
    /// Copies of the API.
    pub apis: usize,
}

/// A Redis to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redis {
    /// The stack's own, a single process.
    #[default]
    Single,
    /// A master and two replicas, watched by three Sentinels.
    Sentinels,
    /// A Cluster of three masters with a replica each.
    Cluster,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            cut: Cut::default(),
            settings: &[],
            rates: Rates::default(),
            starts_ready: true,
            redis: Redis::default(),
            apis: 2,
        }
    }
}

/// That a row cannot be run here, and why.
#[derive(Debug)]
pub struct NotHere(pub String);

impl std::fmt::Display for NotHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotHere {}

/// All rows, in the order in which they are run.
pub fn all() -> Vec<Row> {
    let mut rows = kill::rows();
    rows.extend(pause::rows());
    rows.extend(network::rows());
    rows.extend(redis::rows());
    rows.extend(rebuild::rows());
    rows.extend(failover::rows());
    rows.extend(kafka::rows());
    rows.extend(postgres::rows());
    rows.push(disk::row());
    rows.extend(workers::rows());
    rows.extend(crash::rows());
    rows
}

/// A row on the usual stage.
fn row(
    name: &str,
    about: &'static str,
    fault: impl for<'a> Fn(&'a mut Stage) -> LocalBoxFuture<'a, Result<()>> + 'static,
) -> Row {
    Row {
        name: name.to_owned(),
        about,
        setup: Setup::default(),
        may_lose: false,
        repairs: false,
        excuses: |_| false,
        fault: Box::new(fault),
    }
}
