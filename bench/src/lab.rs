//! Everything that runs while something is measured.

mod bare;
mod known;
mod metrics;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::{ADMIN_TOKEN, Client};
use e2e::process::{Process, Settings};
use e2e::program::Program;
use e2e::until::until;
use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::cpu::{Part, Watched};
use crate::load::{run_tool, wrk::Wrk};
use crate::memory;
use crate::stack::Stack;
use bare::Bare;
pub use known::Known;
pub use metrics::Outcomes;

/// More units than a run can sell.
pub const PLENTY: u32 = 1_000_000_000;

/// Nothing is left of it.
pub const SOLD_OUT: &str = "sold-out";

/// The worker has written all that there is by then.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);
const SETTLE_PAUSE: Duration = Duration::from_millis(100);
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const MIGRATE_LIMIT: Duration = Duration::from_secs(60);

/// The stack, the services, and where their logs go. What is dropped first comes first.
pub struct Lab {
    worker: Option<Process>,
    pub api: Process,
    pub bare: Bare,
    pub client: Client,
    pub known: Known,
    pub memory: Memory,
    /// For logs and results.
    pub folder: PathBuf,
    pub scripts: PathBuf,
    settings: Settings,
    pub stack: Stack,
}

/// KiB.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// Ready, before the first order.
    pub api_idle_kib: u64,
    pub api_peak_kib: u64,
    /// Ready, everything written.
    pub worker_idle_kib: u64,
    /// Under any load, drains included.
    pub worker_peak_kib: u64,
}

impl Lab {
    /// Starts all but the worker, opens the sales that every round uses, and sells what has to be
    /// sold before. The services get some settings `more`.
    pub async fn open(
        repository: &std::path::Path,
        folder: PathBuf,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let stack = Stack::up(repository).await?;
        let usual = [
            ("REDIS_URL", stack.redis_url()?),
            ("KAFKA_BROKERS", stack.kafka_brokers()?),
            ("DATABASE_URL", stack.database_url()?),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("RUST_LOG", "warn"),
        ];
        let all = usual.iter().chain(more);
        let settings: Settings = all
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let mut migrate = Command::new(Program::InventoryWorker.path()?);
        migrate.arg("migrate").env_clear().envs(settings.clone());
        run_tool(&mut migrate, MIGRATE_LIMIT).await?;

        let log = |name| new_log(&folder, name);
        let mut api = Process::spawn(Program::IngestApi, settings.clone(), log("ingest-api")?)?;
        api.ready().await?;
        let mut lab = Self {
            worker: None,
            bare: Bare::start(log("bare")?).await?,
            client: api.client()?,
            known: Known::default(),
            memory: Memory {
                api_idle_kib: memory::resident_kib(api.pid())?,
                ..Memory::default()
            },
            api,
            scripts: stack.repository().join("bench/wrk"),
            folder,
            settings,
            stack,
        };
        lab.prepare().await?;
        Ok(lab)
    }

    async fn prepare(&mut self) -> Result<()> {
        self.known = Known::sell(self).await?;
        known::sell_out(self).await?;
        // Their rows are there from now on, and the worker has nothing to do any more.
        self.start_worker().await?;
        let worker = self.worker.as_ref().context("just started")?;
        self.memory.worker_idle_kib = memory::resident_kib(worker.pid())?;
        self.stop_worker().await
    }

    /// The first seconds are slow everywhere.
    pub async fn warm_up(&self, seconds: u32) -> Result<()> {
        self.open_sale("warm-up").await?;
        self.orders("warm-up", 0, seconds).await?;
        Ok(())
    }

    /// Orders as many as 64 connections can; how many. `run` tells their keys from those of others.
    pub async fn orders(&self, product: &str, run: u32, seconds: u32) -> Result<u64> {
        let load = Wrk {
            scripts: &self.scripts,
            script: "order.lua",
            connections: 64,
            seconds,
            url: self.api.url(),
            arguments: vec![product.into(), format!("{product}-{run}")],
        };
        let report = load.run().await?;
        let errors = report.socket_errors + report.refused;
        ensure!(report.requests > errors, "no order was taken: {report:?}");
        Ok(report.requests - errors)
    }

    /// One more copy of the API, with the first one's settings.
    pub async fn start_copy(&self, number: usize) -> Result<Process> {
        let log = new_log(&self.folder, &format!("ingest-api-{number}"))?;
        let mut copy = Process::spawn(Program::IngestApi, self.settings.clone(), log)?;
        copy.ready().await?;
        Ok(copy)
    }

    /// Opens a sale of more than can be sold; when it opened.
    pub async fn open_sale(&self, product: &str) -> Result<Timestamp> {
        self.open_sale_of(product, PLENTY).await
    }

    pub async fn open_sale_of(&self, product: &str, units: u32) -> Result<Timestamp> {
        self.open_sale_on(product, &json!({"quantity": units}))
            .await
    }

    /// Opens a sale on these terms.
    pub async fn open_sale_on(&self, product: &str, terms: &Value) -> Result<Timestamp> {
        let id = ProductId::parse(product)?;
        let (status, sale) = self.client.put_terms(&id, terms).await?;
        ensure!(
            status == 201 || status == 200,
            "opening {product}: {status} {sale}"
        );
        let opened_at = sale.get("opensAt").and_then(|at| at.as_str());
        let opened_at = opened_at.with_context(|| format!("no opensAt: {sale}"))?;
        Ok(opened_at.parse()?)
    }

    pub fn api_address(&self) -> Result<SocketAddr> {
        address_of(&self.api)
    }

    /// Once no order is under way any more: when wrk ends, some still are.
    pub async fn settled_outcomes(&self) -> Result<Outcomes> {
        let mut before = Outcomes::read(&self.client.metrics().await?)?;
        until("no order is under way", SETTLE_LIMIT, async || {
            tokio::time::sleep(SETTLE_PAUSE).await;
            let now = Outcomes::read(&self.client.metrics().await?)?;
            let is_settled = std::mem::replace(&mut before, now.clone()) == now;
            ensure!(is_settled, "outcomes still change");
            Ok(now)
        })
        .await
    }

    pub fn watched(&self) -> Result<Watched> {
        let mut watched = Watched::default();
        watched.add(Part::Api, self.api.pid());
        watched.add(Part::Bare, self.bare.pid());
        self.watch_others(&mut watched)?;
        Ok(watched)
    }

    /// All but the API, and the bare handler.
    pub fn watch_others(&self, watched: &mut Watched) -> Result<()> {
        watched.add(Part::Redis, self.stack.pid("redis")?);
        watched.add(Part::Kafka, self.stack.pid("kafka")?);
        watched.add(Part::Postgres, self.stack.pid("postgres")?);
        if let Some(worker) = &self.worker {
            watched.add(Part::Worker, worker.pid());
        }
        watched.add(Part::Load, std::process::id());
        Ok(())
    }

    pub fn worker(&self) -> Result<&Process> {
        self.worker.as_ref().context("no worker runs")
    }

    /// Starts or stops the worker, if it is not as wanted. A started one has written all there is.
    pub async fn set_worker(&mut self, wanted: bool) -> Result<()> {
        match (wanted, self.worker.is_some()) {
            (true, false) => self.start_worker().await,
            (false, true) => self.stop_worker().await,
            _ => Ok(()),
        }
    }

    async fn start_worker(&mut self) -> Result<()> {
        let log = self.folder.join("inventory-worker.log");
        let settings = self.settings.clone();
        let worker = Process::spawn(Program::InventoryWorker, settings, log)?;
        let worker = self.worker.insert(worker);
        worker.ready().await?;
        self.worker_has_written().await
    }

    /// Waits until the worker has nothing left to do.
    pub async fn worker_has_written(&self) -> Result<()> {
        let client = self.worker()?.client()?;
        until("the worker writes all there is", DRAIN_LIMIT, async || {
            metrics::expect_no_lag(&client.metrics().await?)
        })
        .await
    }

    async fn stop_worker(&mut self) -> Result<()> {
        let Some(mut worker) = self.worker.take() else {
            return Ok(());
        };
        self.memory.worker_saw(memory::peak_kib(worker.pid())?);
        worker.terminate(STOP_LIMIT).await?;
        Ok(())
    }

    /// Ends what was started here and reads what is known only now.
    pub async fn close(mut self) -> Result<Memory> {
        self.set_worker(false).await?;
        self.memory.api_peak_kib = memory::peak_kib(self.api.pid())?;
        self.api.terminate(STOP_LIMIT).await?;
        fs::remove_file(&self.known.ids)?;
        Ok(self.memory)
    }
}

impl Memory {
    pub fn worker_saw(&mut self, kib: u64) {
        self.worker_peak_kib = self.worker_peak_kib.max(kib);
    }
}

/// Where a service listens.
pub fn address_of(service: &Process) -> Result<SocketAddr> {
    let address = service.url().strip_prefix("http://").context("no HTTP")?;
    Ok(address.parse()?)
}

/// A file that does not go on where another run has ended.
fn new_log(folder: &std::path::Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.log"));
    fs::write(&path, "").with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
