//! The programs of a run, and what can be done to them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use fluxgate_domain::ids::ProductId;

use super::history::Recorder;
use super::links::Links;
use super::rows::Setup;
use crate::fleet::Fleet;
use crate::process::{Process, Settings};
use crate::program::Program;
use crate::sandbox::Sandbox;
use crate::stack::Stack;

const WORKERS: usize = 2;

/// Short times, so that a run of half a minute sees every timeout pass.
const PROFILE: [(&str, &str); 6] = [
    ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
    ("KAFKA_MAX_POLL_INTERVAL_MS", "15000"),
    ("KAFKA_MESSAGE_TIMEOUT_MS", "5000"),
    ("FLUSH_TIMEOUT_MS", "3000"),
    ("REDIS_TIMEOUT_MS", "500"),
    ("OUTBOX_RELAY_INTERVAL_MS", "500"),
];

/// What a fault acts upon.
#[derive(Debug)]
pub struct Stage {
    /// Names of its own on the stores.
    pub sandbox: Sandbox,
    /// The copies of the API.
    pub apis: Vec<Process>,
    /// The workers.
    pub workers: Vec<Process>,
    /// The ways that can be cut.
    pub links: Links,
    /// The Redis of this run alone, if it has one.
    pub fleet: Option<Fleet>,
    /// What is sold, once it is open.
    pub products: Vec<ProductId>,
    /// Where a fault may choose, it asks this: the seed of the run decides.
    pub rng: fastrand::Rng,
    history: Recorder,
}

impl Stage {
    /// Starts the services; returns when they are ready, unless `setup` says that they cannot be.
    ///
    /// # Errors
    /// When one does not get ready.
    pub async fn set(
        sandbox: Sandbox,
        fleet: Option<Fleet>,
        setup: &Setup,
        seed: u64,
        history: Recorder,
    ) -> Result<Self> {
        let links = Links::new(setup.cut, &sandbox.stack, &sandbox.settings()).await?;
        let mut stage = Self {
            sandbox,
            apis: Vec::new(),
            workers: Vec::new(),
            links,
            fleet,
            products: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
            history,
        };
        for number in 0..WORKERS {
            stage.add_worker(number, setup)?;
        }
        for _ in 0..setup.apis {
            let more = profile(stage.links.of_api(), setup.settings);
            let api = stage.sandbox.spawn_with(Program::IngestApi, more)?;
            stage.apis.push(api);
        }
        if setup.starts_ready {
            let services = stage.apis.iter_mut().chain(&mut stage.workers);
            try_join_all(services.map(Process::ready)).await?;
        }
        Ok(stage)
    }

    /// Starts one more worker. Does not wait.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add_worker(&mut self, number: usize, setup: &Setup) -> Result<()> {
        let more = profile(self.links.of_worker(number), setup.settings);
        let worker = self.sandbox.spawn_with(Program::InventoryWorker, more)?;
        self.workers.push(worker);
        Ok(())
    }

    /// Notes in the history what is done.
    pub fn mark(&self, what: &str) {
        self.history.mark(what);
    }

    /// A time between these, in milliseconds, as the seed has it.
    pub fn some_ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }

    /// Does something to a store, which may take its time.
    ///
    /// # Errors
    /// When it fails.
    pub async fn store(
        &self,
        what: &str,
        act: impl FnOnce(&Stack) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let stack = self.sandbox.stack.clone();
        let done = spawn_blocking(move || act(&stack)).await;
        self.mark(what);
        done.context(what.to_owned())?.context(what.to_owned())
    }

    /// Brings every store back as it was, whatever a fault that failed half-way left behind.
    ///
    /// # Errors
    /// When a store stays away.
    pub async fn restore(&self) -> Result<()> {
        self.links.set(super::proxy::Mode::Pass);
        self.store("restored", Stack::bring_all_back).await?;
        if self.fleet.is_some() {
            return Ok(());
        }
        let gate = &self.sandbox.stores.gate;
        gate.configure("maxmemory", "0").await?;
        gate.configure("appendfsync", "everysec").await
    }

    /// How often copies refused an order, or went on with a sale in a new epoch, because Redis had lost data.
    ///
    /// # Errors
    /// When a copy does not answer.
    pub async fn reported_losses(&self) -> Result<f64> {
        const METRICS: [&str; 2] = [
            "ingest_api_redis_lost_writes_total",
            "ingest_api_redis_loss_continued_total",
        ];
        let counts = self.apis.iter();
        let counts = counts.flat_map(|api| METRICS.map(|metric| api.metric(metric)));
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// Services that ended without having been told to.
    pub fn dead(&mut self) -> Vec<String> {
        let services = self.apis.iter_mut().chain(&mut self.workers);
        services
            .filter_map(|service| {
                let ended = service.has_ended().ok().flatten()?;
                Some(format!("{} ended: {ended}", service.url()))
            })
            .collect()
    }

    /// Keeps the services' logs in `folder`.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn keep_logs(&self, folder: &Path) -> Result<()> {
        self.sandbox.keep_logs(folder)
    }

    /// Waits, as a part of a fault.
    pub async fn wait_ms(&mut self, range: std::ops::Range<u64>) {
        let time = self.some_ms(range);
        sleep(time).await;
    }
}

fn profile(links: Settings, more: &[(&str, &str)]) -> Settings {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let settings = PROFILE.iter().chain(more).map(own);
    settings.chain(links).collect()
}
