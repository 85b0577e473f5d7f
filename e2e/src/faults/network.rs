//! The TCP proxies of a run: in front of the component whose connections the fault disturbs.

use anyhow::{Context, Result};
use reqwest::Url;

use super::proxy::{Mode, Proxy};
use super::rows::Component;
use crate::process::Settings;
use crate::stack::Stack;

/// The proxies of a run.
#[derive(Debug)]
pub struct Network {
    /// What the proxies stand in front of: the API (for buyers), one store (for all services), or both stores of one
    /// worker.
    before: Option<Component>,
    proxies: Vec<Proxy>,
    /// Settings of a service that connects through the proxies.
    proxied: Settings,
}

impl Network {
    /// Starts the proxies in front of stores. `settings` hold the stores' own addresses.
    pub async fn new(
        before: Option<Component>,
        stack: &Stack,
        settings: &Settings,
    ) -> Result<Self> {
        let (proxies, proxied) = (Vec::new(), Vec::new());
        let mut network = Self {
            before,
            proxies,
            proxied,
        };
        if before == Some(Component::Redis) {
            network.add("REDIS_URL", settings).await?;
        }
        if matches!(before, Some(Component::Postgres | Component::Worker)) {
            network.add("DATABASE_URL", settings).await?;
        }
        if matches!(before, Some(Component::Kafka | Component::Worker)) {
            let brokers = stack.kafka_cut_brokers.as_deref();
            let addresses = brokers.zip(stack.kafka_cut_target.as_deref());
            let (brokers, target) = addresses.context("the stack has no proxied Kafka listener")?;
            network.proxies.push(Proxy::between(brokers, target).await?);
            network
                .proxied
                .push(("KAFKA_BROKERS".into(), brokers.to_owned()));
        }
        Ok(network)
    }

    async fn add(&mut self, name: &str, settings: &Settings) -> Result<()> {
        let url = settings.iter().find(|(it, _)| it == name);
        let (_, url) = url.with_context(|| format!("{name} is not set"))?;
        let url = self.proxy(url).await?;
        self.proxied.push((name.to_owned(), url));
        Ok(())
    }

    /// Starts a proxy in front of `url`; returns the URL that leads through it.
    async fn proxy(&mut self, url: &str) -> Result<String> {
        let mut url = Url::parse(url)?;
        let host = url.host_str().context("the URL has no host")?;
        let port = url.port_or_known_default().context("the URL has no port")?;
        let proxy = Proxy::between("127.0.0.1:0", &format!("{host}:{port}")).await?;
        let port = Some(proxy.address().port());
        url.set_port(port).ok().context("the URL takes no port")?;
        self.proxies.push(proxy);
        Ok(url.into())
    }

    /// Settings of an instance of the API, beside the sandbox's.
    pub fn api_settings(&self) -> Settings {
        match self.before {
            Some(Component::Worker) => Settings::new(),
            _ => self.proxied.clone(),
        }
    }

    /// Settings of the worker with this number, from 0.
    pub fn worker_settings(&self, number: usize) -> Settings {
        match (self.before, number) {
            (Some(Component::Worker), 1..) => Settings::new(),
            _ => self.proxied.clone(),
        }
    }

    /// The URL at which buyers reach the instance that listens at `url`.
    pub async fn api_url(&mut self, url: &str) -> Result<String> {
        if self.before != Some(Component::Api) {
            return Ok(url.to_owned());
        }
        let url = self.proxy(url).await?;
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// Sets the mode of all proxies.
    pub fn set(&self, mode: Mode) {
        self.proxies.iter().for_each(|proxy| proxy.set(mode));
    }
}
