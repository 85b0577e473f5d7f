use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::{ProductId, Tag};
use fred::util::redis_keyslot;

use super::{AGREEMENT, Fleet, SILENCE_MS};
use crate::process::free_port;
use crate::stack::Stack;
use crate::tls_listeners::TlsListeners;
use crate::wait::wait_until;

const NODES: usize = 6;

impl Fleet {
    /// A Cluster of three masters with a replica each.
    pub async fn cluster(stack: &Stack, tls: Option<TlsListeners>) -> Result<Self> {
        let mut fleet = Self::new(stack, tls)?;
        let mut ports = Vec::new();
        for _ in 0..NODES {
            ports.push(fleet.start_cluster_node().await?);
        }
        let addresses = ports.iter().map(|port| format!("127.0.0.1:{port} "));
        let addresses: String = addresses.collect();
        let create = format!("--cluster create {addresses} --cluster-replicas 1 --cluster-yes");
        fleet.cli(&create).await?;
        fleet.agreed().await?;
        fleet.url = fleet.url_of("cluster", &ports, "");
        Ok(fleet)
    }

    async fn start_cluster_node(&mut self) -> Result<u16> {
        let bus = free_port()?;
        let port = self.start_node(&format!(
            "cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout {SILENCE_MS}"
        ))?;
        self.answering(port).await?;
        Ok(port)
    }

    /// Adds a master, which has no slots yet.
    pub async fn add_master(&mut self) -> Result<()> {
        let known = self.nodes[0].port();
        let port = self.start_cluster_node().await?;
        let add = format!("--cluster add-node 127.0.0.1:{port} 127.0.0.1:{known}");
        self.cli(&add).await?;
        self.agreed().await
    }

    /// Moves the slot of a product to another master of the Cluster, key by key, with `pause`
    /// between two keys.
    pub async fn move_slot(&self, product: &ProductId, pause: Duration) -> Result<()> {
        let moving = self.move_keys(product, pause).await?;
        self.end_move(moving).await
    }

    /// The first part of [`Self::move_slot`]: to a master without slots, if there is one. The slot stays with its master, which answers ASK, as it has no keys.
    pub async fn move_keys(&self, product: &ProductId, pause: Duration) -> Result<MovingSlot> {
        let slot = slot(product);
        let from = self.master_of_slot(slot).await?;
        let masters = self.masters().await?.into_iter();
        let others = masters.filter(|it| it.port != from.port);
        let to = others.min_by_key(|it| it.slots.len());
        let to = to.context("there is no other master")?;
        self.set_slot(&to, slot, "IMPORTING", &from).await?;
        self.set_slot(&from, slot, "MIGRATING", &to).await?;
        let next_key = format!("CLUSTER GETKEYSINSLOT {slot} 1");
        loop {
            let keys = self.ask(from.port, &next_key).await?;
            let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else {
                return Ok(MovingSlot { slot, from, to });
            };
            let migrate = format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port);
            self.expect_ok(from.port, &migrate).await?;
            tokio::time::sleep(pause).await;
        }
    }

    /// Gives the slot to the master that has its keys. The one that had it answers MOVED.
    pub async fn end_move(&self, moving: MovingSlot) -> Result<()> {
        let MovingSlot { slot, from, to } = moving;
        self.set_slot(&to, slot, "NODE", &to).await?;
        self.set_slot(&from, slot, "NODE", &to).await?;
        self.agreed().await
    }

    async fn set_slot(&self, at: &Master, slot: u16, state: &str, other: &Master) -> Result<()> {
        let command = format!("CLUSTER SETSLOT {slot} {state} {}", other.id);
        self.expect_ok(at.port, &command).await
    }

    /// Kills the nodes that have this product's keys, a master and its replica; the other masters go on without them.
    /// Returns their numbers.
    pub async fn kill_group(&mut self, product: &ProductId) -> Result<Vec<usize>> {
        for node in &self.nodes {
            let command = "CONFIG SET cluster-require-full-coverage no";
            self.expect_ok(node.port(), command).await?;
        }
        let master = self.master_of_slot(slot(product)).await?;
        let nodes = self.ask(master.port, "CLUSTER NODES").await?;
        let group = nodes.lines().filter(|line| line.contains(&master.id));
        let mut killed = Vec::new();
        for port in group.filter_map(port_of) {
            let number = self.number_of(port)?;
            self.nodes[number].kill()?;
            killed.push(number);
        }
        Ok(killed)
    }

    /// Whether both products are on the same master.
    pub async fn is_together(&self, one: &ProductId, other: &ProductId) -> Result<bool> {
        let one = self.master_of_slot(slot(one)).await?;
        Ok(one.port == self.master_of_slot(slot(other)).await?.port)
    }

    /// Waits until every node says that the Cluster is complete.
    pub(super) async fn agreed(&self) -> Result<()> {
        for node in &self.nodes {
            wait_until("the Cluster is complete", AGREEMENT, async || {
                let state = self.ask(node.port(), "CLUSTER INFO").await?;
                let nodes = format!("cluster_known_nodes:{}", self.nodes.len());
                let complete = state.contains("cluster_state:ok") && state.contains(&nodes);
                ensure!(complete, "{state}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn master_of_slot(&self, slot: u16) -> Result<Master> {
        let owns = |it: &Master| it.slots.iter().any(|slots| slots.contains(&slot));
        let owner = self.masters().await?.into_iter().find(owns);
        owner.with_context(|| format!("no node owns slot {slot}"))
    }

    /// The masters, by the first node that answers.
    async fn masters(&self) -> Result<Vec<Master>> {
        for node in &self.nodes {
            if let Ok(nodes) = self.ask(node.port(), "CLUSTER NODES").await {
                return Ok(nodes.lines().filter_map(Master::read).collect());
            }
        }
        anyhow::bail!("no node answers")
    }
}

/// A slot whose keys have moved.
#[derive(Debug)]
pub struct MovingSlot {
    slot: u16,
    from: Master,
    to: Master,
}

#[derive(Debug)]
pub(super) struct Master {
    id: String,
    pub port: u16,
    slots: Vec<RangeInclusive<u16>>,
}

impl Master {
    /// A line of CLUSTER NODES: `id ip:port@bus,name flags master ping pong epoch state slots...`.
    fn read(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let flags = parts.get(2)?;
        if !flags.contains("master") || flags.contains("fail") {
            return None;
        }
        let range = |text: &&str| {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            Some(from.parse().ok()?..=to.parse().ok()?)
        };
        Some(Self {
            id: (*parts.first()?).to_owned(),
            port: port_of(line)?,
            slots: parts.get(8..)?.iter().filter_map(range).collect(),
        })
    }
}

/// The port in a line of CLUSTER NODES.
fn port_of(line: &str) -> Option<u16> {
    let address = line.split_whitespace().nth(1)?.split_once('@')?.0;
    address.rsplit_once(':')?.1.parse().ok()
}

/// Which of the Cluster's slots all keys of a product are in.
pub fn slot(product: &ProductId) -> u16 {
    redis_keyslot(Tag::of(product).to_string().as_bytes())
}
