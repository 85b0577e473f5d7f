//! The TCP proxies of a run: in front of the component whose connections the fault disturbs.

use anyhow::{Context, Result};
use reqwest::Url;

use super::proxy::{Mode, Proxy};
use super::setup::Component;
use crate::process::Settings;
use crate::stack::Stack;

/// The proxies of a run.
#[derive(Debug)]
pub struct Network {
    /// What the proxies stand in front of.
    before: Option<Component>,
    proxies: Vec<Proxy>,
    /// Settings of a service that connects through the proxies.
    proxied: Settings,
}

impl Network {
    /// Starts the proxies in front of stores. `settings` are the sandbox's, which hold the stores' own addresses.
    pub async fn new(
        before: Option<Component>,
        stack: &Stack,
        settings: &Settings,
    ) -> Result<Self> {
        let mut network = Self {
            before,
            proxies: Vec::new(),
            proxied: Settings::new(),
        };
        let names: &[&str] = match before {
            None | Some(Component::Api) => &[],
            Some(Component::Redis) => &["REDIS_URL"],
            Some(Component::Postgres) => &["DATABASE_URL"],
            Some(Component::Kafka) => &["KAFKA_BROKERS"],
            Some(Component::Worker) => &["DATABASE_URL", "KAFKA_BROKERS"],
        };
        for name in names {
            let proxied = match *name {
                "KAFKA_BROKERS" => network.proxy_kafka(stack).await?,
                _ => network.proxy(&settings[*name]).await?,
            };
            network.proxied.insert((*name).to_owned(), proxied);
        }
        Ok(network)
    }

    /// Kafka tells its clients its address, so that the way through the proxy is a listener of its own.
    async fn proxy_kafka(&mut self, stack: &Stack) -> Result<String> {
        let brokers = stack.kafka_cut_brokers.as_ref();
        let addresses = brokers.zip(stack.kafka_cut_target.as_ref());
        let (brokers, target) = addresses.context("the stack has no proxied Kafka listener")?;
        self.proxies.push(Proxy::between(brokers, target).await?);
        Ok(brokers.clone())
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

    /// Settings of a service, beside the sandbox's. Of the services of a proxied worker only that one, number 0, is
    /// proxied.
    pub fn settings_of(&self, component: Component, number: usize) -> Settings {
        let is_proxied =
            self.before != Some(Component::Worker) || (component, number) == (Component::Worker, 0);
        if is_proxied {
            self.proxied.clone()
        } else {
            Settings::new()
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

    /// Drops all connections through the proxies in silence; new ones work.
    pub fn forget_connections(&self) {
        self.proxies.iter().for_each(Proxy::forget_connections);
    }
}
