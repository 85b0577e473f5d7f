//! The faults, one row of the matrix each. A new one is a line in `table` and a function that injects it.

mod connections;
mod eviction;
mod hold_storm;
mod holds;
mod kafka;
mod logs;
mod pairs;
mod postgres;
mod queue;
mod queue_turns;
mod redis;
mod retired;
mod sell_out;
mod services;
mod table;

use std::time::Duration;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use super::clients::{Kind, Rates};
use super::environment::Environment;
use super::proxy::Mode;
use super::setup::{Component, RedisKind, Setup};
use crate::checker::Violation;
use crate::stack::Store;
pub(super) use postgres::WRITABLE;
pub use table::all;

/// Changes whenever a row, the clients or the checker do: results of another version do not count as done.
pub(super) const VERSION: u32 = 9;

const LIMIT: Duration = Duration::from_secs(420);
/// Holds of a storm that ends them at once.
pub(super) const HOLDS: u32 = 1_000;

/// Breaks something and repairs it. What is broken when it returns stays broken on purpose.
type Inject = Box<dyn for<'a> Fn(&'a mut Environment) -> LocalBoxFuture<'a, Result<()>>>;

/// One row of the matrix.
pub struct Row {
    /// Its name on the command line and in results.
    pub name: String,
    /// What is done, in one line.
    pub(super) about: &'static str,
    pub(super) inject: Inject,
    pub(super) setup: Setup,
    /// Rates of clients that differ from the usual.
    pub(super) rates: &'static Rates,
    /// Whether the fault may make Redis lose acknowledged writes. A loss must be reported.
    pub(super) may_lose: bool,
    /// Whether the fault may lose writes and ends with a rebuild, so that the service must be normal again.
    pub(super) rebuilds: bool,
    /// Violations that the fault causes by its nature.
    pub(super) excuses: fn(&Violation) -> bool,
    /// Longest time of a run: longer than all its own limits together, so that it can say what it waited for.
    pub(super) limit: Duration,
}

impl Row {
    fn new(
        name: impl Into<String>,
        about: &'static str,
        inject: impl for<'a> Fn(&'a mut Environment) -> LocalBoxFuture<'a, Result<()>> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            about,
            inject: Box::new(inject),
            setup: Setup {
                holds: HOLDS,
                ..Setup::default()
            },
            rates: &[],
            may_lose: false,
            rebuilds: false,
            excuses: |_| false,
            limit: LIMIT,
        }
    }
}

/// The row cannot be run here, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Skipped(pub String);
