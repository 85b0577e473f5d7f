//! Several Redis processes that stand in for one: a master and replicas under Sentinels, or a Cluster.

mod cluster;
mod node;
mod sentinels;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::ProductId;

use crate::doors::Doors;
use crate::order::unique;
use crate::stack::Stack;
use cluster::slot;
use node::{Node, launch, node_folder};

/// How long a silent node is believed to be alive, in ms.
const SILENCE_MS: u32 = 1_000;
/// Longest until all nodes agree after a start, a failover or a move.
const AGREEMENT: Duration = Duration::from_secs(30);

/// The processes. Dropping it kills them and removes their folder.
#[derive(Debug)]
pub struct Fleet {
    /// What services are given as REDIS_URL.
    pub url: String,
    nodes: Vec<Node>,
    sentinels: Vec<Node>,
    folder: PathBuf,
    server: PathBuf,
    /// Where all of it is encrypted.
    doors: Option<Doors>,
}

impl Fleet {
    /// Kills the node that is master of this product's keys; returns its number.
    ///
    /// # Errors
    /// When nobody says which it is.
    pub async fn kill_master(&mut self, product: &ProductId) -> Result<usize> {
        let port = if self.sentinels.is_empty() {
            self.master_of_slot(slot(product)).await?.0
        } else {
            self.master_of_sentinels().await?
        };
        let number = self.number(port)?;
        let node = &mut self.nodes[number];
        node.child.kill().context("killing a node")?;
        node.child.wait().context("reaping a node")?;
        Ok(number)
    }

    /// Starts a killed node again, with the data it had.
    ///
    /// # Errors
    /// When it does not start or the others do not take it back.
    pub async fn start_again(&mut self, number: usize) -> Result<()> {
        let node = &mut self.nodes[number];
        node.child = launch(
            &self.server,
            &node.arguments,
            &node_folder(&self.folder, node.port),
        )?;
        let port = node.port;
        self.answering(port).await?;
        if self.sentinels.is_empty() {
            self.agreed().await?;
        }
        Ok(())
    }

    fn new(stack: &Stack, doors: Option<Doors>) -> Result<Self> {
        let folder = std::env::temp_dir().join(unique("fleet"));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self {
            url: String::new(),
            nodes: Vec::new(),
            sentinels: Vec::new(),
            folder,
            server: stack.redis_server(),
            doors,
        })
    }

    fn number(&self, port: u16) -> Result<usize> {
        let number = self.nodes.iter().position(|node| node.port == port);
        number.with_context(|| format!("no node listens on {port}"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for node in self.nodes.iter_mut().chain(&mut self.sentinels) {
            // Both fail only where the process has been reaped already.
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
        // It is in the folder for temporary files; nothing depends on its going.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
