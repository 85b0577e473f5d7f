use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::order::{Action, Sale};
use e2e::process::{Process, Settings, changed};
use e2e::sandbox::Sandbox;
use e2e::stack::Stack;
use fluxgate_domain::ids::ProductId;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::build::{BARE, Build};
use crate::load::{Requests, SOLD_OUT, closed};
use crate::measure::processes::{Part, Watched};

/// More units than a run can sell.
pub const PLENTY: u32 = 1_000_000_000;
/// The sale whose orders `status` and `replay` ask for again and again.
pub const KNOWN: &str = "known";
pub const KNOWN_ORDERS: u64 = 10_000;
const SOLD_OUT_UNITS: u32 = 1_000;

const WORKER: &str = "inventory-worker";
/// The longest time that the worker may take to write everything.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);
/// The longest time that a service may take to end.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);
const PLACE_CONNECTIONS: usize = 256;
/// Sales that are opened or closed at the same time.
const CHANGES_AT_ONCE: usize = 16;
const PLACE_LIMIT: Duration = Duration::from_secs(180);

/// One build with its services, which have a Redis database, topics and a schema of their own.
pub struct Side {
    pub build: Build,
    worker: Option<Process>,
    pub api: Process,
    pub bare: Process,
    pub client: Client,
    pub sandbox: Sandbox,
    /// When the sale of [`KNOWN`] opened.
    pub known_opened_at: Timestamp,
    pub settings: Settings,
}

impl Side {
    /// Starts everything, prepares the sales that all rounds use, and stops the worker. `more` are settings beyond
    /// those of a sandbox.
    pub async fn start(stack: &Stack, build: Build, more: &[(&str, &str)]) -> Result<Self> {
        let sandbox = Sandbox::new(stack.clone()).await?;
        let quiet = changed(&sandbox.settings(), &[("RUST_LOG", "warn")]);
        let settings = changed(&quiet, more);
        let start = async |program| build.start(program, program, settings.clone()).await;
        // The first worker makes topics and tables.
        let worker = Some(start(WORKER).await?);
        let api = start("ingest-api").await?;
        let mut side = Self {
            client: api.client()?,
            bare: start(BARE).await?,
            known_opened_at: Timestamp::UNIX_EPOCH,
            worker,
            api,
            settings,
            build,
            sandbox,
        };
        side.prepare().await?;
        Ok(side)
    }

    async fn prepare(&mut self) -> Result<()> {
        self.known_opened_at = self.open_sale(KNOWN).await?;
        self.place(KNOWN, KNOWN_ORDERS).await?;
        let terms = json!({"quantity": SOLD_OUT_UNITS});
        self.open_sale_on(SOLD_OUT, &terms).await?;
        self.place(SOLD_OUT, SOLD_OUT_UNITS.into()).await?;
        self.everything_is_written().await?;
        self.set_worker(false).await
    }

    /// Places the first `count` orders of [`Requests::known`], which are all accepted, as fast as possible.
    pub async fn place(&self, product: &str, count: u64) -> Result<()> {
        let over = (self.api.address()?, PLACE_CONNECTIONS);
        let requests = Requests {
            count,
            ..Requests::known(product)
        };
        let tally = closed(over, PLACE_LIMIT, requests).await?;
        let (placed, wrong) = (tally.count - tally.errors, tally.wrong);
        ensure!(
            placed == count,
            "{placed} of {count} orders; wrong: {wrong:?}"
        );
        Ok(())
    }

    /// Opens a sale with more units than can be sold, and returns its opening time.
    pub async fn open_sale(&self, product: &str) -> Result<Timestamp> {
        let terms = json!({"quantity": PLENTY});
        self.open_sale_on(product, &terms).await
    }

    /// Opens a sale for each product, several at a time.
    pub async fn open_sales(&self, products: &[String]) -> Result<()> {
        let opening = stream::iter(products).map(|product| self.open_sale(product));
        let opening = opening.buffer_unordered(CHANGES_AT_ONCE);
        opening.try_for_each(|_| async { Ok(()) }).await
    }

    /// Closes the sales of these products, several at a time.
    pub async fn close_sales(&self, products: &[String]) -> Result<()> {
        let closing = stream::iter(products).map(async |product| {
            let sale = Sale::of(ProductId::parse(product)?, PLENTY);
            self.client.expect_done(&sale, Action::Close).await
        });
        let closing = closing.buffer_unordered(CHANGES_AT_ONCE);
        closing.try_collect().await
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

    pub fn worker(&self) -> Result<&Process> {
        self.worker.as_ref().context("no worker runs")
    }

    /// Starts or stops the worker if needed. Returns after a running worker has written everything.
    pub async fn set_worker(&mut self, wanted: bool) -> Result<()> {
        if !wanted {
            return match self.worker.take() {
                Some(mut worker) => worker.stop(STOP_LIMIT).await,
                None => Ok(()),
            };
        }
        if self.worker.is_none() {
            let settings = self.settings.clone();
            self.worker = Some(self.build.start(WORKER, WORKER, settings).await?);
        }
        self.everything_is_written().await
    }

    /// Waits until the positions in PostgreSQL have reached the end of every partition.
    pub async fn everything_is_written(&self) -> Result<()> {
        self.sandbox.stores.written(&[], DRAIN_LIMIT).await?;
        Ok(())
    }

    /// Stops the services.
    pub async fn close(mut self) -> Result<()> {
        self.set_worker(false).await?;
        self.api.stop(STOP_LIMIT).await
    }
}
