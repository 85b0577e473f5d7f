use anyhow::{Context, Result, ensure};

use super::{AGREEMENT, Fleet, SILENCE_MS};
use crate::process::Process;
use crate::stack::Stack;
use crate::tls_listeners::TlsListeners;
use crate::wait::wait_until;

/// The name under which Sentinels know the master.
const SERVICE: &str = "fluxgate";
const SENTINELS: usize = 3;

impl Fleet {
    /// A master with two replicas, watched by three Sentinels.
    pub async fn with_sentinels(stack: &Stack, tls: Option<TlsListeners>) -> Result<Self> {
        let mut fleet = Self::new(stack, tls)?;
        let master = fleet.start_node("")?;
        for _ in 0..2 {
            fleet.start_node(&format!("replicaof 127.0.0.1 {master}"))?;
        }
        wait_until("both replicas are online", AGREEMENT, async || {
            let replication = fleet.ask(master, "INFO replication").await?;
            let online = replication.matches("state=online").count();
            ensure!(online == 2, "{online} replicas are");
            Ok(())
        })
        .await?;
        let mut settings = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {SERVICE} {SILENCE_MS}\n\
             sentinel failover-timeout {SERVICE} 5000\n"
        );
        let mut login = String::new();
        if let Some(TlsListeners { password, .. }) = &fleet.tls {
            settings += &format!(
                "sentinel sentinel-pass {password}\nsentinel auth-pass {SERVICE} {password}\n"
            );
            login = format!("&sentinelPassword={password}");
        }
        for _ in 0..SENTINELS {
            let sentinel = fleet.start(&settings, &["--sentinel"])?;
            fleet.sentinels.push(sentinel);
        }
        let ports: Vec<u16> = fleet.sentinels.iter().map(Process::port).collect();
        let check = format!("SENTINEL CKQUORUM {SERVICE}");
        for port in &ports {
            wait_until("a sentinel knows the others", AGREEMENT, async || {
                let known = fleet.ask(*port, &check).await?;
                ensure!(known.starts_with("OK 3 usable"), "{known}");
                Ok(())
            })
            .await?;
        }
        let login = format!("&sentinelServiceName={SERVICE}{login}");
        fleet.url = fleet.url_of("sentinel", &ports, &login);
        Ok(fleet)
    }

    /// The port of the node that is master now.
    pub(super) async fn master_of_sentinels(&self) -> Result<u16> {
        self.master_of(&self.sentinels[0]).await
    }

    /// Waits until all Sentinels name the same master, and all other nodes follow it. Before, a client that connects may be
    /// sent to a node that was master, and takes itself for one.
    pub(super) async fn follow_one_master(&self) -> Result<()> {
        wait_until("all follow one master", AGREEMENT, async || {
            let master = self.master_of_sentinels().await?;
            for sentinel in &self.sentinels {
                let named = self.master_of(sentinel).await?;
                ensure!(named == master, "{named} and {master} are named");
            }
            let follows = format!("master_port:{master}");
            for node in self.nodes.iter().filter(|node| node.port() != master) {
                let replication = self.ask(node.port(), "INFO replication").await?;
                ensure!(replication.contains(&follows), "{replication}");
            }
            Ok(())
        })
        .await
    }

    async fn master_of(&self, sentinel: &Process) -> Result<u16> {
        let command = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}");
        let address = self.ask(sentinel.port(), &command).await?;
        let port = address.lines().nth(1).context("no master")?;
        Ok(port.trim().parse()?)
    }
}
