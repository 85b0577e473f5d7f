//! Everything that runs during a measurement.

mod build;
pub mod orders;
mod side;
mod warm_up;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::stack::{Stack, Store};

use crate::measure::cpu::{Part, Watched};
pub use build::Build;
pub use side::{KNOWN, KNOWN_ORDERS, PLENTY, STOP_LIMIT, Side};

/// The stores and the sides that use them.
pub struct Lab {
    /// Our build, and in a comparison also theirs.
    pub sides: Vec<Side>,
    /// Redis, Kafka and PostgreSQL, as `scripts/on-stack` started them for this program alone.
    pub stack: Stack,
    /// For results and logs.
    pub results: PathBuf,
}

impl Lab {
    /// Starts the services, without a worker, and warms the stores up.
    pub async fn open(results: &Path, against: Option<&Path>) -> Result<Self> {
        let mut builds = vec![Build::ours()?];
        builds.extend(against.map(Build::theirs).transpose()?);
        fs::create_dir_all(results)?;
        let mut lab = Self {
            sides: Vec::new(),
            stack: Stack::from_env().context("run `scripts/on-stack bench`")?,
            results: results.to_owned(),
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
        Side::start(&self.stack, &self.results, build, more).await
    }

    /// The processes of one side and of the stores, and the process of this program.
    pub fn watched(&self, side: &Side) -> Result<Watched> {
        let mut watched = self.watched_stores()?;
        side.watch(&mut watched);
        Ok(watched)
    }

    /// The processes of the stores, and this one.
    pub fn watched_stores(&self) -> Result<Watched> {
        let mut watched = Watched::default();
        watched.add(Part::Redis, self.pid(Store::Redis)?);
        watched.add(Part::Kafka, self.pid(Store::Kafka)?);
        watched.add(Part::Postgres, self.pid(Store::Postgres)?);
        watched.add(Part::Load, std::process::id());
        Ok(watched)
    }

    pub fn pid(&self, store: Store) -> Result<u32> {
        Ok(self.stack.pid(store)?.as_raw().cast_unsigned())
    }
}
