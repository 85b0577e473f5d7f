//! Everything that runs during a measurement.

mod build;
pub mod orders;
pub mod redis;
mod schema;
mod service;
mod side;
mod stack;
pub mod topic;
mod warm_up;

use std::path::Path;

use anyhow::Result;

use crate::measure::cpu::{Part, Watched};
pub use build::Build;
pub use schema::{Schema, connect, positions};
pub use service::{Service, settings};
pub use side::{KNOWN, KNOWN_ORDERS, PLENTY, SOLD_OUT, Side};
pub use stack::Stack;

/// The stores and the sides that use them.
pub struct Lab {
    /// Our build, and in a comparison also theirs.
    pub sides: Vec<Side>,
    pub stack: Stack,
}

impl Lab {
    pub async fn open(repository: &Path, against: Option<&Path>) -> Result<Self> {
        let mut builds = vec![Build::ours()?];
        builds.extend(against.map(Build::theirs).transpose()?);
        let mut lab = Self {
            sides: Vec::new(),
            stack: Stack::from_env(repository)?,
        };
        for build in builds {
            let side = lab.start_side(build, &[]).await?;
            lab.sides.push(side);
        }
        warm_up::until_kafka_is_warm(&lab).await?;
        Ok(lab)
    }

    /// Starts one more side, with `more` settings. The caller closes it.
    pub async fn start_side(&self, build: Build, more: &[(&str, &str)]) -> Result<Side> {
        Side::start(&self.stack, build, more).await
    }

    /// The processes of one side and of the stores, and the process of this program.
    pub fn watched(&self, side: &Side) -> Result<Watched> {
        let mut watched = self.watched_stores()?;
        side.watch(&mut watched);
        Ok(watched)
    }

    pub fn watched_stores(&self) -> Result<Watched> {
        let mut watched = Watched::default();
        watched.add(Part::Redis, self.stack.pid("redis")?);
        watched.add(Part::Kafka, self.stack.pid("kafka")?);
        watched.add(Part::Postgres, self.stack.pid("postgres")?);
        watched.add(Part::Load, std::process::id());
        Ok(watched)
    }
}
