use std::fs;

use anyhow::{Context, Result, ensure};

use super::{AGREEMENT, Fleet, Node, SILENCE_MS};
use crate::process::free_port;
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
            fleet.start_node(&format!("--replicaof 127.0.0.1 {master}"))?;
        }
        wait_until("both replicas are online", AGREEMENT, async || {
            let replication = fleet.ask(master, "INFO replication").await?;
            let online = replication.matches("state=online").count();
            ensure!(online == 2, "{online} replicas are");
            Ok(())
        })
        .await?;
        for _ in 0..SENTINELS {
            fleet.start_sentinel(master)?;
        }
        let ports: Vec<u16> = fleet.sentinels.iter().map(|node| node.port).collect();
        for port in &ports {
            wait_until("a sentinel knows the others", AGREEMENT, async || {
                let known = fleet
                    .ask(*port, &format!("SENTINEL CKQUORUM {SERVICE}"))
                    .await?;
                ensure!(known.starts_with("OK 3 usable"), "{known}");
                Ok(())
            })
            .await?;
        }
        let login = fleet.tls.as_ref().map_or_else(String::new, |tls| {
            format!("&sentinelPassword={}", tls.password)
        });
        fleet.set_url(
            "sentinel",
            "/0",
            &format!("sentinelServiceName={SERVICE}{login}"),
            &ports,
        );
        Ok(fleet)
    }

    fn start_sentinel(&mut self, master: u16) -> Result<()> {
        let port = free_port()?;
        let mut settings = format!(
            "bind 127.0.0.1\n\
             sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {SERVICE} {SILENCE_MS}\n\
             sentinel failover-timeout {SERVICE} 5000\n"
        );
        for (name, value) in self.listening(port) {
            settings = format!("{name} {value}\n{settings}");
        }
        if let Some(TlsListeners { password, .. }) = &self.tls {
            settings += &format!(
                "requirepass {password}\n\
                 sentinel sentinel-pass {password}\n\
                 sentinel auth-pass {SERVICE} {password}\n"
            );
        }
        let folder = self.node_folder(port);
        fs::create_dir(&folder).context("making a folder")?;
        fs::write(folder.join("sentinel.conf"), settings).context("writing its settings")?;
        let arguments = ["sentinel.conf", "--sentinel"].map(str::to_owned).to_vec();
        let child = self.launch(port, &arguments)?;
        self.sentinels.push(Node {
            port,
            arguments,
            child,
        });
        Ok(())
    }

    /// The port of the node that is master now.
    pub(super) async fn master_of_sentinels(&self) -> Result<u16> {
        let command = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}");
        let address = self.ask(self.sentinels[0].port, &command).await?;
        let port = address.lines().nth(1).context("no master")?;
        Ok(port.trim().parse()?)
    }
}
