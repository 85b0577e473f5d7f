//! Several Redis processes that stand in for one: a master and replicas under Sentinels, or a Cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_core::ids::{ProductId, Tag};
use fred::util::redis_keyslot;

use crate::order::unique;
use crate::process::free_port;
use crate::stack::Stack;
use crate::until::until;

/// The name under which Sentinels know the master.
const SERVICE: &str = "fluxgate";
/// How long a silent node is believed to be alive, in ms.
const SILENCE_MS: u32 = 1_000;
/// Longest until all nodes agree after a start, a failover or a move.
const AGREEMENT: Duration = Duration::from_secs(30);
const SENTINELS: usize = 3;
const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// The processes. Dropping it kills them and removes their folder.
#[derive(Debug)]
pub struct Fleet {
    /// What services are given as REDIS_URL.
    pub url: String,
    nodes: Vec<Node>,
    sentinels: Vec<Node>,
    folder: PathBuf,
    server: PathBuf,
}

/// One Redis process.
#[derive(Debug)]
struct Node {
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Fleet {
    /// A master with two replicas, watched by three Sentinels.
    ///
    /// # Errors
    /// When they do not agree.
    pub async fn with_sentinels(stack: &Stack) -> Result<Self> {
        let mut fleet = Self::new(stack)?;
        let master = fleet.start_node(&[])?;
        for _ in 0..2 {
            let of = master.to_string();
            fleet.start_node(&["--replicaof", "127.0.0.1", &of])?;
        }
        let replicas = || async { cli(master, &["INFO", "replication"]).await };
        until("both replicas are in step", AGREEMENT, async || {
            let online = replicas().await?.matches("state=online").count();
            ensure!(online == 2, "{online} replicas are");
            Ok(())
        })
        .await?;
        for _ in 0..SENTINELS {
            fleet.start_sentinel(master)?;
        }
        let ports: Vec<u16> = fleet.sentinels.iter().map(|node| node.port).collect();
        for port in &ports {
            until("a sentinel knows the others", AGREEMENT, async || {
                let known = cli(*port, &["SENTINEL", "CKQUORUM", SERVICE]).await?;
                let all = known.starts_with("OK 3 usable");
                ensure!(all, "{known}");
                Ok(())
            })
            .await?;
        }
        let others: String = ports[1..]
            .iter()
            .map(|port| format!("&node=127.0.0.1:{port}"))
            .collect();
        fleet.url = format!(
            "redis-sentinel://127.0.0.1:{}/0?sentinelServiceName={SERVICE}{others}",
            ports[0]
        );
        Ok(fleet)
    }

    /// A Cluster of three masters with a replica each.
    ///
    /// # Errors
    /// When they do not agree.
    pub async fn cluster(stack: &Stack) -> Result<Self> {
        let mut fleet = Self::new(stack)?;
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
            answering(*port).await?;
            let (port, bus) = (port.to_string(), bus.to_string());
            cli(first, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
        }
        for (i, (port, _)) in members[..MASTERS].iter().enumerate() {
            let from = (SLOTS * i / MASTERS).to_string();
            let to = (SLOTS * (i + 1) / MASTERS - 1).to_string();
            cli(*port, &["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await?;
        }
        for (i, (port, _)) in members[MASTERS..].iter().enumerate() {
            let master = cli(members[i].0, &["CLUSTER", "MYID"]).await?;
            until("a replica has its master", AGREEMENT, async || {
                let answer = cli(*port, &["CLUSTER", "REPLICATE", master.trim()]).await?;
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
        fleet.url = format!("redis-cluster://127.0.0.1:{first}?{}", others.join("&"));
        Ok(fleet)
    }

    /// Kills the node that is master of this product's keys; returns its number.
    ///
    /// # Errors
    /// When nobody says which it is.
    pub async fn kill_master(&mut self, product: &ProductId) -> Result<usize> {
        let port = if self.sentinels.is_empty() {
            self.master_of_slot(slot(product)).await?.0
        } else {
            let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
            let address = cli(self.sentinels[0].port, &ask).await?;
            address
                .lines()
                .nth(1)
                .context("no master")?
                .trim()
                .parse()?
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
        answering(node.port).await?;
        if self.sentinels.is_empty() {
            self.agreed().await?;
        }
        Ok(())
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
            async move { expect_ok(at, &arguments.each_ref().map(String::as_str)).await }
        };
        set_slot(to.port, "IMPORTING", &from_id).await?;
        set_slot(from, "MIGRATING", &to.id).await?;
        loop {
            let keys = cli(from, &["CLUSTER", "GETKEYSINSLOT", &text, "1"]).await?;
            let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else {
                break;
            };
            expect_ok(from, &["MIGRATE", "127.0.0.1", &target, key, "0", "5000"]).await?;
            tokio::time::sleep(pause).await;
        }
        for node in [to.port, from] {
            set_slot(node, "NODE", &to.id).await?;
        }
        self.agreed().await
    }

    fn new(stack: &Stack) -> Result<Self> {
        let folder = std::env::temp_dir().join(unique("fleet"));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self {
            url: String::new(),
            nodes: Vec::new(),
            sentinels: Vec::new(),
            folder,
            server: stack.redis_server(),
        })
    }

    fn start_node(&mut self, more: &[&str]) -> Result<u16> {
        let port = free_port()?;
        let own = port.to_string();
        let arguments = [
            "--port",
            &own,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--repl-diskless-sync-delay",
            "0",
            "--maxmemory-policy",
            "noeviction",
        ];
        let arguments = arguments.iter().chain(more).map(|it| (*it).to_owned());
        let node = self.start(port, arguments.collect())?;
        self.nodes.push(node);
        Ok(port)
    }

    fn start_sentinel(&mut self, master: u16) -> Result<()> {
        let port = free_port()?;
        let folder = node_folder(&self.folder, port);
        fs::create_dir(&folder).context("making a folder")?;
        let settings = format!(
            "port {port}\nbind 127.0.0.1\n\
             sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {SERVICE} {SILENCE_MS}\n\
             sentinel failover-timeout {SERVICE} 5000\n"
        );
        fs::write(folder.join("sentinel.conf"), settings).context("writing its settings")?;
        let arguments = vec!["sentinel.conf".to_owned(), "--sentinel".to_owned()];
        let child = launch(&self.server, &arguments, &folder)?;
        self.sentinels.push(Node {
            port,
            arguments,
            child,
        });
        Ok(())
    }

    fn start(&self, port: u16, arguments: Vec<String>) -> Result<Node> {
        let folder = node_folder(&self.folder, port);
        fs::create_dir(&folder).context("making a folder")?;
        let child = launch(&self.server, &arguments, &folder)?;
        Ok(Node {
            port,
            arguments,
            child,
        })
    }

    fn number(&self, port: u16) -> Result<usize> {
        let number = self.nodes.iter().position(|node| node.port == port);
        number.with_context(|| format!("no node listens on {port}"))
    }

    /// Waits until every node that runs holds the Cluster for whole.
    async fn agreed(&self) -> Result<()> {
        for node in &self.nodes {
            until("the Cluster is whole", AGREEMENT, async || {
                let state = cli(node.port, &["CLUSTER", "INFO"]).await?;
                let whole = state.contains("cluster_state:ok")
                    && state.contains(&format!("cluster_known_nodes:{}", self.nodes.len()));
                ensure!(whole, "{state}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn master_of_slot(&self, slot: u16) -> Result<(u16, String)> {
        let masters = self.masters().await?;
        let owner = masters.into_iter().find(|it| it.owns(slot));
        let owner = owner.with_context(|| format!("nobody owns slot {slot}"))?;
        Ok((owner.port, owner.id))
    }

    /// What the first node that answers says of the masters.
    async fn masters(&self) -> Result<Vec<Master>> {
        for node in &self.nodes {
            if let Ok(nodes) = cli(node.port, &["CLUSTER", "NODES"]).await {
                return Ok(nodes.lines().filter_map(Master::read).collect());
            }
        }
        anyhow::bail!("no node answers")
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

/// A line of CLUSTER NODES: `id ip:port@bus,name flags master ping pong epoch state slots...`.
#[derive(Debug)]
struct Master {
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
fn slot(product: &ProductId) -> u16 {
    redis_keyslot(Tag::of(product).to_string().as_bytes())
}

fn node_folder(folder: &Path, port: u16) -> PathBuf {
    folder.join(port.to_string())
}

fn launch(server: &Path, arguments: &[String], folder: &Path) -> Result<Child> {
    let log = fs::File::create(folder.join("log")).context("making a log")?;
    Command::new(server)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting a Redis")
}

async fn answering(port: u16) -> Result<()> {
    until("a node answers", AGREEMENT, async || {
        let answer = cli(port, &["PING"]).await?;
        ensure!(answer.starts_with("PONG"), "{answer}");
        Ok(())
    })
    .await
}

async fn expect_ok(port: u16, arguments: &[&str]) -> Result<()> {
    let answer = cli(port, arguments).await?;
    ensure!(answer.starts_with("OK"), "{arguments:?}: {answer}");
    Ok(())
}

/// What a node answers to one command.
async fn cli(port: u16, arguments: &[&str]) -> Result<String> {
    let port = port.to_string();
    let mut command = tokio::process::Command::new("redis-cli");
    command
        .args(["-h", "127.0.0.1", "-p", &port])
        .args(arguments);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = output.await.context("running redis-cli")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}");
    Ok(text)
}
