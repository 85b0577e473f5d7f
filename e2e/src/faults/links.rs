//! Which ways between the programs of a run can be cut.

use anyhow::{Context, Result};
use reqwest::Url;

use super::proxy::{Mode, Proxy};
use crate::process::Settings;
use crate::stack::Stack;

/// What stands at the other end of the ways that can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// Nothing can be cut.
    #[default]
    Nothing,
    /// Between buyers and every copy of the API.
    Api,
    /// Between one worker and both of its stores.
    Worker,
    /// Between the API and Redis.
    Redis,
    /// Between all services and Kafka.
    Kafka,
    /// Between all services and PostgreSQL.
    Postgres,
}

/// The proxies of a run.
#[derive(Debug)]
pub struct Links {
    cut: Cut,
    proxies: Vec<Proxy>,
    /// What a service that goes through them is started with.
    through: Settings,
}

impl Links {
    /// Proxies in front of the stores that `cut` names; `settings` hold the stores' own addresses.
    ///
    /// # Errors
    /// When a port is taken, or the stack has no way to Kafka that can be cut.
    pub async fn new(cut: Cut, stack: &Stack, settings: &Settings) -> Result<Self> {
        let mut links = Self {
            cut,
            proxies: Vec::new(),
            through: Vec::new(),
        };
        if cut == Cut::Redis {
            links.put_before("REDIS_URL", settings).await?;
        }
        if matches!(cut, Cut::Postgres | Cut::Worker) {
            links.put_before("DATABASE_URL", settings).await?;
        }
        if matches!(cut, Cut::Kafka | Cut::Worker) {
            let brokers = stack.kafka_cut_brokers.as_deref();
            let target = stack.kafka_cut_target.as_deref();
            let missing = "this stack is older than its way to Kafka that can be cut";
            let (brokers, target) = brokers.zip(target).context(missing)?;
            links.proxies.push(Proxy::between(brokers, target).await?);
            let brokers = brokers.to_owned();
            links.through.push(("KAFKA_BROKERS".into(), brokers));
        }
        Ok(links)
    }

    async fn put_before(&mut self, name: &str, settings: &Settings) -> Result<()> {
        let url = settings.iter().find(|(it, _)| it == name);
        let (_, url) = url.with_context(|| format!("{name} is not set"))?;
        let url = self.proxied(url).await?;
        self.through.push((name.to_owned(), url));
        Ok(())
    }

    /// A proxy of its own in front of `url`; the URL that leads through it.
    async fn proxied(&mut self, url: &str) -> Result<String> {
        let mut url = Url::parse(url)?;
        let target = format!(
            "{}:{}",
            url.host_str().context("a host")?,
            url.port_or_known_default().context("a port")?
        );
        let proxy = Proxy::between("127.0.0.1:0", &target).await?;
        let port = Some(proxy.address().port());
        url.set_port(port).ok().context("the URL takes no port")?;
        self.proxies.push(proxy);
        Ok(url.into())
    }

    /// What a copy of the API is started with, beside the sandbox's own settings.
    pub fn of_api(&self) -> Settings {
        match self.cut {
            Cut::Worker => Settings::new(),
            _ => self.through.clone(),
        }
    }

    /// What the worker with this number, from 0, is started with.
    pub fn of_worker(&self, number: usize) -> Settings {
        match (self.cut, number) {
            (Cut::Worker, 1..) => Settings::new(),
            _ => self.through.clone(),
        }
    }

    /// Where buyers find the copy that listens at `url`.
    ///
    /// # Errors
    /// When no proxy can be set up.
    pub async fn to_api(&mut self, url: &str) -> Result<String> {
        if self.cut != Cut::Api {
            return Ok(url.to_owned());
        }
        let url = self.proxied(url).await?;
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// Sets all of them.
    pub fn set(&self, mode: Mode) {
        for proxy in &self.proxies {
            proxy.set(mode);
        }
    }
}
