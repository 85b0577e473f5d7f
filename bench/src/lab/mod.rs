//! Everything that runs during a measurement.

mod build;
mod identity;
pub mod orders;
mod side;
mod warm_up;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use e2e::stack::{Stack, Store};

use crate::measure::processes::{Part, Watched};
use build::{Build, own_folder};
pub use identity::{AUDIENCE, ISSUER, IdentityProvider};
pub use side::{KNOWN, KNOWN_ORDERS, PLENTY, STOP_LIMIT, Side};

/// The stores and the sides that use them.
pub struct Lab {
    /// Our build, and in a comparison also theirs.
    pub sides: Vec<Side>,
    /// Redis, Kafka and PostgreSQL, as `scripts/on-stack` started them for this program alone.
    pub stack: Stack,
}

impl Lab {
    /// Starts the services, without a worker, and warms the stores up. Their logs are in `results`.
    pub async fn open(results: &Path, against: Option<&Path>) -> Result<Self> {
        let build = |(name, folder)| Build {
            name,
            folder,
            logs: results.to_owned(),
        };
        let theirs = against.map(|folder| ("theirs", folder.to_owned()));
        let builds = [("ours", own_folder()?)].into_iter().chain(theirs);
        fs::create_dir_all(results)?;
        let mut lab = Self {
            sides: Vec::new(),
            stack: Stack::from_env().context("run `scripts/on-stack bench`")?,
        };
        for build in builds.map(build) {
            let side = Side::start(&lab.stack, build, &[]).await?;
            lab.sides.push(side);
        }
        warm_up::until_kafka_is_warm(&lab).await?;
        Ok(lab)
    }

    /// The processes of one side and of the stores, and the process of this program.
    pub fn watched(&self, side: &Side) -> Result<Watched> {
        let mut watched = self.watched_stores()?;
        side.watch(&mut watched);
        Ok(watched)
    }

    /// The processes of the stores, and this one.
    pub fn watched_stores(&self) -> Result<Watched> {
        let pid = |store| anyhow::Ok(self.stack.pid(store)?.as_raw().cast_unsigned());
        let mut watched = Watched::default();
        watched.add(Part::Redis, pid(Store::Redis)?);
        watched.add(Part::Kafka, pid(Store::Kafka)?);
        watched.add(Part::Postgres, pid(Store::Postgres)?);
        watched.add(Part::Load, std::process::id());
        Ok(watched)
    }
}
