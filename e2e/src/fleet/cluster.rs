use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::{ProductId, Tag};
use fred::util::redis_keyslot;

use super::{AGREEMENT, Fleet, SILENCE_MS};
use crate::doors::Doors;
use crate::process::free_port;
use crate::stack::Stack;
use crate::until::until;

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

impl Fleet {
    /// A Cluster of three masters with a replica each.
    ///
    /// # Errors
    /// When they do not agree.
    pub async fn cluster(stack: &Stack, doors: Option<Doors>) -> Result<Self> {
        let mut fleet = Self::new(stack, doors)?;
        let mut members = Vec::new();
        for _ in 0..2 * MASTERS {
            let bus = free_port()?;
            let timeout = SILENCE_MS.to_string();
            let port = fleet.start_node(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus.to_string(),
                "--cluster-node-timeout",
                &timeout,
            ])?;
            members.push((port, bus));
        }
        let (first, _) = members[0];
        for (port, bus) in &members {
            fleet.answering(*port).await?;
            let (port, bus) = (port.to_string(), bus.to_string());
            fleet
                .ask(first, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .await?;
        }
        for (i, (port, _)) in members[..MASTERS].iter().enumerate() {
            let from = (SLOTS * i / MASTERS).to_string();
            let to = (SLOTS * (i + 1) / MASTERS - 1).to_string();
            fleet
                .ask(*port, &["CLUSTER", "ADDSLOTSRANGE", &from, &to])
                .await?;
        }
        for (i, (port, _)) in members[MASTERS..].iter().enumerate() {
            let master = fleet.ask(members[i].0, &["CLUSTER", "MYID"]).await?;
            until("a replica has its master", AGREEMENT, async || {
                let answer = fleet
                    .ask(*port, &["CLUSTER", "REPLICATE", master.trim()])
                    .await?;
                ensure!(answer.starts_with("OK"), "{answer}");
                Ok(())
            })
            .await?;
        }
        fleet.agreed().await?;
        let others: Vec<String> = members[1..]
            .iter()
            .map(|(port, _)| format!("node=127.0.0.1:{port}"))
            .collect();
        let (scheme, user) = match &fleet.doors {
            None => ("redis", String::new()),
            Some(Doors { password, .. }) => ("rediss", format!(":{password}@")),
        };
        let others = others.join("&");
        fleet.url = format!("{scheme}-cluster://{user}127.0.0.1:{first}?{others}");
        Ok(fleet)
    }

    /// Moves the slot of a product to another master of the Cluster, key by key, with `pause`
    /// between two keys.
    ///
    /// # Errors
    /// When a node refuses.
    pub async fn move_slot(&self, product: &ProductId, pause: Duration) -> Result<()> {
        let slot = slot(product);
        let (from, from_id) = self.master_of_slot(slot).await?;
        let elsewhere = self.masters().await?.into_iter().find(|it| it.port != from);
        let to = elsewhere.context("there is no other master")?;
        let (text, target) = (slot.to_string(), to.port.to_string());
        let set_slot = |at, what, id: &str| {
            let arguments = ["CLUSTER", "SETSLOT", &text, what, id].map(str::to_owned);
            async move {
                self.expect_ok(at, &arguments.each_ref().map(String::as_str))
                    .await
            }
        };
        set_slot(to.port, "IMPORTING", &from_id).await?;
        set_slot(from, "MIGRATING", &to.id).await?;
        loop {
            let keys = self
                .ask(from, &["CLUSTER", "GETKEYSINSLOT", &text, "1"])
                .await?;
            let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else {
                break;
            };
            self.expect_ok(from, &["MIGRATE", "127.0.0.1", &target, key, "0", "5000"])
                .await?;
            tokio::time::sleep(pause).await;
        }
        for node in [to.port, from] {
            set_slot(node, "NODE", &to.id).await?;
        }
        self.agreed().await
    }

    /// Waits until every node that runs holds the Cluster for whole.
    pub(super) async fn agreed(&self) -> Result<()> {
        for node in &self.nodes {
            until("the Cluster is whole", AGREEMENT, async || {
                let state = self.ask(node.port, &["CLUSTER", "INFO"]).await?;
                let whole = state.contains("cluster_state:ok")
                    && state.contains(&format!("cluster_known_nodes:{}", self.nodes.len()));
                ensure!(whole, "{state}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn master_of_slot(&self, slot: u16) -> Result<(u16, String)> {
        let masters = self.masters().await?;
        let owner = masters.into_iter().find(|it| it.owns(slot));
        let owner = owner.with_context(|| format!("nobody owns slot {slot}"))?;
        Ok((owner.port, owner.id))
    }

    /// What the first node that answers says of the masters.
    async fn masters(&self) -> Result<Vec<Master>> {
        for node in &self.nodes {
            if let Ok(nodes) = self.ask(node.port, &["CLUSTER", "NODES"]).await {
                return Ok(nodes.lines().filter_map(Master::read).collect());
            }
        }
        anyhow::bail!("no node answers")
    }
}

/// A line of CLUSTER NODES: `id ip:port@bus,name flags master ping pong epoch state slots...`.
#[derive(Debug)]
pub struct Master {
    id: String,
    port: u16,
    slots: Vec<(u16, u16)>,
}

impl Master {
    fn read(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let flags = parts.get(2)?;
        if !flags.contains("master") || flags.contains("fail") {
            return None;
        }
        let (_, port) = parts.get(1)?.split_once('@')?.0.rsplit_once(':')?;
        let range = |text: &&str| {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        Some(Self {
            id: (*parts.first()?).to_owned(),
            port: port.parse().ok()?,
            slots: parts.get(8..)?.iter().filter_map(range).collect(),
        })
    }

    fn owns(&self, slot: u16) -> bool {
        self.slots
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&slot))
    }
}

/// Which of the Cluster's slots all keys of a product are in.
pub fn slot(product: &ProductId) -> u16 {
    redis_keyslot(Tag::of(product).to_string().as_bytes())
}
