//! The services, stores and sales of one run.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::ProductId;
use fluxgate_domain::partition;
use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::clients;
use super::network::Network;
use super::setup::{Component, RedisKind, Setup};
use crate::client::ADMIN_TOKEN;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::load::caller::Caller;
use crate::load::recorder::Recorder;
use crate::order::Sale;
use crate::process::{Process, changed};
use crate::program::Program;
use crate::sandbox::Sandbox;
use crate::stack::{Stack, Store};
use crate::wait::wait_until;

/// Units of each sale. At the usual rate of orders the first is sold out before the fault, the second during it, the
/// third after it, and the last never.
const TOTALS: [u32; 4] = [120, 400, 900, 1_000_000];
/// The sale that is closed before the run ends, and the one that never sells out.
pub const CLOSING_SALE: u16 = 2;
pub const ENDLESS_SALE: u16 = 3;
/// The default of KAFKA_PARTITIONS.
const PARTITIONS: i32 = 12;
const WORKERS: usize = 2;
const INSTANCES: usize = 2;
/// Longest until a sale is open, once the services are ready.
const OPEN_LIMIT: Duration = Duration::from_secs(20);

/// Short timeouts, so that each of them is reached within a run of half a minute.
const SETTINGS: [(&str, &str); 6] = [
    ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
    ("KAFKA_MAX_POLL_INTERVAL_MS", "15000"),
    ("KAFKA_MESSAGE_TIMEOUT_MS", "5000"),
    ("FLUSH_TIMEOUT_MS", "3000"),
    ("REDIS_TIMEOUT_MS", "500"),
    ("OUTBOX_RELAY_INTERVAL_MS", "500"),
];

/// What a fault acts on.
#[derive(Debug)]
pub struct Environment {
    pub sandbox: Sandbox,
    pub apis: Vec<Process>,
    pub workers: Vec<Process>,
    pub network: Network,
    /// The Redis of this run alone, if the row asks for one.
    pub fleet: Option<Fleet>,
    pub sales: Vec<Sale>,
    /// Holds that end at once.
    pub holds: u32,
    /// Every choice of a fault comes from here, so that it follows from the seed.
    pub rng: fastrand::Rng,
    history: Recorder,
}

impl Environment {
    /// Starts the services; returns when they are ready, unless the setup says that they cannot be.
    pub async fn start(stack: Stack, setup: Setup, seed: u64, history: Recorder) -> Result<Self> {
        let fleet = match setup.redis {
            RedisKind::Single => None,
            RedisKind::Sentinels => Some(Fleet::with_sentinels(&stack, None).await?),
            RedisKind::Cluster => Some(Fleet::cluster(&stack, None).await?),
        };
        let redis_url = fleet.as_ref().map(|fleet| fleet.url.as_str());
        let sandbox = Sandbox::on(stack, redis_url).await?;
        let network = Network::new(setup.proxied, &sandbox.stack, &sandbox.settings()).await?;
        let sales = TOTALS.map(|total| Sale::unique("sale", total));
        let mut env = Self {
            sandbox,
            apis: Vec::new(),
            workers: Vec::new(),
            network,
            fleet,
            sales: sales.into_iter().collect::<Result<_>>()?,
            holds: setup.holds,
            rng: fastrand::Rng::with_seed(seed),
            history,
        };
        if setup.three_brokers {
            env.use_three_brokers().await?;
        }
        for _ in 0..WORKERS {
            env.add(Component::Worker, setup.settings)?;
        }
        for _ in 0..INSTANCES + setup.more_instances {
            env.add(Component::Api, setup.settings)?;
        }
        if !setup.starts_unready {
            env.ready().await?;
        }
        Ok(env)
    }

    /// Starts two more brokers, and creates the topic: the partition of [`Self::sale_apart`] is on the third alone.
    async fn use_three_brokers(&self) -> Result<()> {
        let topic = &self.sandbox.stores.topic;
        // It must not be on brokers that other runs do not have.
        topic.create_offsets_topic().await?;
        self.bring_back(Store::Kafka2).await?;
        self.bring_back(Store::Kafka3).await?;
        let apart = self.partition_of(self.sale_apart()?);
        let broker = |partition| match partition == apart {
            true => 3,
            false => 1 + partition % 2,
        };
        topic.create_on((0..PARTITIONS).map(broker).collect()).await
    }

    /// A sale on another partition than that of the endless sale.
    pub fn sale_apart(&self) -> Result<usize> {
        let endless = self.endless_partition();
        (0..usize::from(ENDLESS_SALE))
            .rev()
            .find(|sale| self.partition_of(*sale) != endless)
            .context("all sales have one partition")
    }

    /// The partition of the sale that never sells out.
    pub fn endless_partition(&self) -> i32 {
        self.partition_of(usize::from(ENDLESS_SALE))
    }

    fn partition_of(&self, sale: usize) -> i32 {
        partition::of(&self.sales[sale].product, PARTITIONS)
    }

    /// How many orders of the endless sale, sent from `since_us` on, were answered like this.
    pub fn count_endless(&self, since_us: u64, is_wanted: impl Fn(&Exchange) -> bool) -> usize {
        let is_about = |it: &&Exchange| {
            let request = &it.request;
            request.sale == ENDLESS_SALE && request.action.is_order() && it.sent_us >= since_us
        };
        self.history.look(|all| {
            let orders = all.iter().filter(is_about);
            orders.filter(|it| is_wanted(it)).count()
        })
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        self.history.now_us()
    }

    /// Starts one more service, with `more` settings. Does not wait.
    pub fn add(&mut self, component: Component, more: &[(&str, &str)]) -> Result<()> {
        let program = match component {
            Component::Worker => Program::InventoryWorker,
            _ => Program::IngestApi,
        };
        let number = self.services(component).len();
        let usual = changed(&self.sandbox.settings(), &SETTINGS);
        let mut all = changed(&usual, more);
        all.extend(self.network.settings_of(component, number));
        let service = self.sandbox.spawn(program, all)?;
        self.services(component).push(service);
        Ok(())
    }

    /// Waits until all services are ready.
    pub async fn ready(&mut self) -> Result<()> {
        let services = self.apis.iter_mut().chain(&mut self.workers);
        try_join_all(services.map(Process::ready)).await?;
        Ok(())
    }

    pub async fn open_sales(&self) -> Result<()> {
        let client = self.apis[0].client()?;
        for (number, sale) in self.sales.iter().enumerate() {
            self.mark(&format!("sale {number} is {}", sale.product));
            wait_until("a sale is open", OPEN_LIMIT, async || {
                client.open(sale).await
            })
            .await?;
        }
        Ok(())
    }

    /// A caller beside the clients, which asks the instances directly.
    pub fn caller(&self) -> Result<Caller> {
        let urls = self.apis.iter().map(|api| api.url().to_owned()).collect();
        clients::player(urls).caller(ADMIN_TOKEN, &self.sales, self.history.clone())
    }

    pub fn endless_sale(&self) -> &Sale {
        &self.sales[usize::from(ENDLESS_SALE)]
    }

    /// The services of a component.
    pub fn services(&mut self, component: Component) -> &mut Vec<Process> {
        match component {
            Component::Worker => &mut self.workers,
            _ => &mut self.apis,
        }
    }

    /// Rebuilds the sales of these products.
    pub async fn rebuild(&self, products: impl IntoIterator<Item = &ProductId>) -> Result<()> {
        let mut arguments = vec!["rebuild"];
        arguments.extend(products.into_iter().map(ProductId::as_str));
        let (code, text) = self.sandbox.reconcile(&arguments).await?;
        self.mark(&text);
        ensure!(code == 0, "{text}");
        Ok(())
    }

    /// Notes in the history what is done.
    pub fn mark(&self, what: &str) {
        self.history.mark(what);
    }

    pub fn stack(&self) -> &Stack {
        &self.sandbox.stack
    }

    /// Starts a store again, whatever was done to it.
    pub async fn bring_back(&self, store: Store) -> Result<()> {
        self.stack().bring_back(store).await?;
        self.mark(&format!("{store} is back"));
        Ok(())
    }

    /// Starts a service again, and waits until it is ready.
    pub async fn restart(&mut self, component: Component, number: usize) -> Result<()> {
        self.services(component)[number].restart().await?;
        self.mark("started again");
        Ok(())
    }

    /// Waits for a time from this range, as the seed decides.
    pub async fn wait_ms(&mut self, range: Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(range))).await;
    }

    /// How often instances refused an order, or continued a sale in a new epoch, because Redis had lost data.
    pub async fn reported_losses(&self) -> Result<f64> {
        const METRICS: [&str; 2] = [
            "ingest_api_redis_lost_writes_total",
            "ingest_api_redis_loss_continued_total",
        ];
        let apis = self.apis.iter();
        let counts = apis.flat_map(|api| METRICS.map(|metric| api.metric(metric)));
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// Partitions that are halted.
    pub async fn halted_partitions(&self) -> Result<Vec<i32>> {
        let stores = &self.sandbox.stores;
        stores.postgres.halted(stores.topic.name()).await
    }

    /// Services that ended by themselves.
    pub fn ended_services(&mut self) -> Vec<String> {
        let services = self.apis.iter_mut().chain(&mut self.workers);
        services
            .filter_map(|service| {
                let status = service.has_ended().ok().flatten()?;
                Some(format!("{}: {status}", service.url()))
            })
            .collect()
    }
}
