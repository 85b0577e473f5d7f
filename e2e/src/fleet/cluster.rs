use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::{ProductId, Tag};
use fred::util::redis_keyslot;

use super::{AGREEMENT, Fleet, SILENCE_MS};
use crate::process::free_port;
use crate::stack::Stack;
use crate::tls_listeners::TlsListeners;
use crate::wait::wait_until;

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

impl Fleet {
    /// A Cluster of three masters with a replica each.
    pub async fn cluster(stack: &Stack, tls: Option<TlsListeners>) -> Result<Self> {
        let mut fleet = Self::new(stack, tls)?;
        let mut buses = Vec::new();
        for _ in 0..2 * MASTERS {
            let bus = free_port()?;
            let port = fleet.start_node(&format!(
                "--cluster-enabled yes --cluster-port {bus} --cluster-node-timeout {SILENCE_MS}"
            ))?;
            buses.push((port, bus));
        }
        let ports: Vec<u16> = buses.iter().map(|(port, _)| *port).collect();
        for (port, bus) in buses {
            fleet.answering(port).await?;
            fleet
                .expect_ok(ports[0], &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"))
                .await?;
        }
        let (masters, replicas) = ports.split_at(MASTERS);
        for (i, port) in masters.iter().enumerate() {
            let (from, to) = (SLOTS * i / MASTERS, SLOTS * (i + 1) / MASTERS - 1);
            fleet
                .expect_ok(*port, &format!("CLUSTER ADDSLOTSRANGE {from} {to}"))
                .await?;
        }
        for (master, replica) in masters.iter().zip(replicas) {
            let id = fleet.ask(*master, "CLUSTER MYID").await?;
            let command = format!("CLUSTER REPLICATE {id}");
            let replicate = async || fleet.expect_ok(*replica, &command).await;
            wait_until("a replica has its master", AGREEMENT, replicate).await?;
        }
        fleet.agreed().await?;
        fleet.set_url("cluster", "", "", &ports);
        Ok(fleet)
    }

    /// Moves the slot of a product to another master of the Cluster, key by key, with `pause`
    /// between two keys.
    pub async fn move_slot(&self, product: &ProductId, pause: Duration) -> Result<()> {
        let slot = slot(product);
        let (from, from_id) = self.master_of_slot(slot).await?;
        let other = self.masters().await?.into_iter().find(|it| it.port != from);
        let Master {
            port: to,
            id: to_id,
            ..
        } = other.context("there is no other master")?;
        let set_slot = |state: &str| format!("CLUSTER SETSLOT {slot} {state}");
        self.expect_ok(to, &set_slot(&format!("IMPORTING {from_id}")))
            .await?;
        self.expect_ok(from, &set_slot(&format!("MIGRATING {to_id}")))
            .await?;
        loop {
            let keys = self
                .ask(from, &format!("CLUSTER GETKEYSINSLOT {slot} 1"))
                .await?;
            let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else {
                break;
            };
            self.expect_ok(from, &format!("MIGRATE 127.0.0.1 {to} {key} 0 5000"))
                .await?;
            tokio::time::sleep(pause).await;
        }
        for node in [to, from] {
            self.expect_ok(node, &set_slot(&format!("NODE {to_id}")))
                .await?;
        }
        self.agreed().await
    }

    /// Waits until every node says that the Cluster is complete.
    pub(super) async fn agreed(&self) -> Result<()> {
        for node in &self.nodes {
            wait_until("the Cluster is complete", AGREEMENT, async || {
                let state = self.ask(node.port, "CLUSTER INFO").await?;
                let nodes = format!("cluster_known_nodes:{}", self.nodes.len());
                ensure!(
                    state.contains("cluster_state:ok") && state.contains(&nodes),
                    "{state}"
                );
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn master_of_slot(&self, slot: u16) -> Result<(u16, String)> {
        let owns = |it: &Master| {
            it.slots
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&slot))
        };
        let owner = self.masters().await?.into_iter().find(owns);
        let owner = owner.with_context(|| format!("no node owns slot {slot}"))?;
        Ok((owner.port, owner.id))
    }

    /// The masters, by the first node that answers.
    async fn masters(&self) -> Result<Vec<Master>> {
        for node in &self.nodes {
            if let Ok(nodes) = self.ask(node.port, "CLUSTER NODES").await {
                return Ok(nodes.lines().filter_map(Master::read).collect());
            }
        }
        anyhow::bail!("no node answers")
    }
}

struct Master {
    id: String,
    port: u16,
    slots: Vec<(u16, u16)>,
}

impl Master {
    /// A line of CLUSTER NODES: `id ip:port@bus,name flags master ping pong epoch state slots...`.
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
}

/// Which of the Cluster's slots all keys of a product are in.
pub fn slot(product: &ProductId) -> u16 {
    redis_keyslot(Tag::of(product).to_string().as_bytes())
}
