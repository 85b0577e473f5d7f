use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::sandbox::Sandbox;
use e2e::wait::wait_until;
use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;

use super::build::{Build, under_both_names};
use super::service::{Service, Settings, settings};
use super::{Stack, connect, positions, topic};
use crate::load::{Requests, closed, run_tool};
use crate::measure::cpu::{Part, Watched};
use crate::measure::memory;

/// More units than a run can sell.
pub const PLENTY: u32 = 1_000_000_000;
/// A sale without units left.
pub const SOLD_OUT: &str = "sold-out";
/// The sale whose orders `status` and `replay` ask for again and again.
pub const KNOWN: &str = "known";
pub const KNOWN_ORDERS: u64 = 10_000;
const SOLD_OUT_UNITS: u32 = 1_000;

/// The longest time that the worker may take to write everything.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);
const PLACE_CONNECTIONS: usize = 256;
const PLACE_LIMIT: Duration = Duration::from_secs(180);
const MIGRATE_LIMIT: Duration = Duration::from_secs(60);

/// One build with its services, which have a Redis database, topics and a schema of their own.
pub struct Side {
    pub build: Build,
    worker: Option<Service>,
    pub api: Service,
    pub bare: Service,
    pub client: Client,
    /// When the sale of [`KNOWN`] opened.
    pub known_opened_at: Timestamp,
    /// Memory in KiB, by process and moment.
    pub memory: BTreeMap<&'static str, u64>,
    settings: Settings,
    log_prefix: String,
    _sandbox: Sandbox,
}

impl Side {
    /// Starts everything but the worker, and prepares the sales that all rounds use. `more` are settings beyond those of
    /// a sandbox.
    pub async fn start(lab: &Stack, build: Build, more: &[(&str, &str)]) -> Result<Self> {
        let sandbox = Sandbox::new(e2e::stack::Stack::from_env()?).await?;
        let mut own = sandbox.settings();
        own.extend(settings(more));
        own.extend(settings(&[("RUST_LOG", "warn")]));
        let mut migrate = Command::new(build.program("inventory-worker"));
        let environment = under_both_names(&own);
        migrate.arg("migrate").env_clear().envs(environment);
        run_tool(&mut migrate, MIGRATE_LIMIT).await?;

        let log_prefix = lab.results.join(build.name).display().to_string();
        let start = async |name: &str| {
            let log = format!("{log_prefix}-{name}.log").into();
            Service::start(&build.program(name), &own, log).await
        };
        let (api, bare) = (
            start("ingest-api").await?.ready().await?,
            start("bare").await?,
        );
        let mut side = Self {
            worker: None,
            client: api.client()?,
            known_opened_at: Timestamp::UNIX_EPOCH,
            memory: [("ingest-api, idle", memory::resident_kib(api.pid())?)].into(),
            api,
            bare,
            settings: own,
            log_prefix,
            build,
            _sandbox: sandbox,
        };
        side.prepare().await?;
        Ok(side)
    }

    async fn prepare(&mut self) -> Result<()> {
        self.known_opened_at = self.open_sale(KNOWN).await?;
        self.place(Requests::known(KNOWN), KNOWN_ORDERS).await?;
        let terms = json!({"quantity": SOLD_OUT_UNITS});
        self.open_sale_on(SOLD_OUT, &terms).await?;
        let orders = Requests::known(SOLD_OUT);
        self.place(orders, SOLD_OUT_UNITS.into()).await?;
        self.set_worker(true).await?;
        let idle = memory::resident_kib(self.worker()?.pid())?;
        self.memory.insert("inventory-worker, idle", idle);
        self.set_worker(false).await
    }

    /// Places this many orders, which are all accepted, as fast as possible.
    pub async fn place(&self, requests: Requests, count: u64) -> Result<()> {
        let over = (self.api.address, PLACE_CONNECTIONS);
        let tally = closed(over, (PLACE_LIMIT, count), requests).await?;
        let all_right = tally.errors == 0 && tally.count == count;
        ensure!(
            all_right,
            "{} of {count} orders; wrong: {:?}",
            tally.count,
            tally.wrong
        );
        Ok(())
    }

    /// Starts one more service with the same settings.
    pub async fn start_service(&self, program: &str, log: &str) -> Result<Service> {
        let log = format!("{}-{log}.log", self.log_prefix).into();
        let started = Service::start(&self.build.program(program), &self.settings, log).await;
        started?.ready().await
    }

    /// Opens a sale with more units than can be sold, and returns its opening time.
    pub async fn open_sale(&self, product: &str) -> Result<Timestamp> {
        let terms = json!({"quantity": PLENTY});
        self.open_sale_on(product, &terms).await
    }

    pub async fn open_sale_on(&self, product: &str, terms: &Value) -> Result<Timestamp> {
        let id = ProductId::parse(product)?;
        let (status, sale) = self.client.put_terms(&id, terms).await?;
        let opened = status == 201 || status == 200;
        ensure!(opened, "opening {product}: {status} {sale}");
        let opened_at = sale.get("opensAt").and_then(Value::as_str);
        let opened_at = opened_at.with_context(|| format!("no opensAt: {sale}"))?;
        Ok(opened_at.parse()?)
    }

    /// The processes of this side.
    pub fn watch(&self, watched: &mut Watched) {
        watched.add(Part::Api, self.api.pid());
        watched.add(Part::Bare, self.bare.pid());
        if let Some(worker) = &self.worker {
            watched.add(Part::Worker, worker.pid());
        }
    }

    pub fn worker(&self) -> Result<&Service> {
        self.worker.as_ref().context("no worker runs")
    }

    /// Starts or stops the worker if needed. Returns after a running worker has written everything.
    pub async fn set_worker(&mut self, wanted: bool) -> Result<()> {
        if !wanted {
            return self.stop_worker().await;
        }
        if self.worker.is_none() {
            let name = "inventory-worker";
            self.worker = Some(self.start_service(name, name).await?);
        }
        self.everything_is_written().await
    }

    /// Waits until the positions in PostgreSQL have reached the end of every partition.
    pub async fn everything_is_written(&self) -> Result<()> {
        let database = connect(self.setting("DATABASE_URL")).await?;
        let topic = self.setting("KAFKA_TOPIC");
        wait_until("the worker writes everything", DRAIN_LIMIT, async || {
            let written = positions(&database, topic).await?;
            let end = topic::end(self.setting("KAFKA_BROKERS"), topic).await?;
            ensure!(written == end, "{written} of {end} records are written");
            Ok(())
        })
        .await
    }

    pub fn setting(&self, name: &str) -> &str {
        let found = self.settings.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    async fn stop_worker(&mut self) -> Result<()> {
        let Some(mut worker) = self.worker.take() else {
            return Ok(());
        };
        self.worker_used(memory::peak_kib(worker.pid())?);
        worker.terminate().await
    }

    /// Stops the services and reads their peak memory.
    pub async fn close(mut self) -> Result<BTreeMap<&'static str, u64>> {
        self.stop_worker().await?;
        let peak = memory::peak_kib(self.api.pid())?;
        self.memory.insert("ingest-api, peak", peak);
        self.api.terminate().await?;
        Ok(self.memory)
    }

    /// The peak memory of a worker under any load, including drains.
    pub fn worker_used(&mut self, kib: u64) {
        let peak = self.memory.entry("inventory-worker, peak").or_default();
        *peak = kib.max(*peak);
    }
}
