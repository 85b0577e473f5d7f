use std::fs;

use anyhow::{Context, Result, ensure};

use super::node::{Node, launch, listening, node_folder};
use super::{AGREEMENT, Fleet, SILENCE_MS};
use crate::doors::Doors;
use crate::process::free_port;
use crate::stack::Stack;
use crate::until::until;

/// The name under which Sentinels know the master.
const SERVICE: &str = "fluxgate";
const SENTINELS: usize = 3;

impl Fleet {
    /// A master with two replicas, watched by three Sentinels.
    ///
    /// # Errors
    /// When they do not agree.
    pub async fn with_sentinels(stack: &Stack, doors: Option<Doors>) -> Result<Self> {
        let mut fleet = Self::new(stack, doors)?;
        let master = fleet.start_node(&[])?;
        for _ in 0..2 {
            let of = master.to_string();
            fleet.start_node(&["--replicaof", "127.0.0.1", &of])?;
        }
        let replicas = || async { fleet.ask(master, &["INFO", "replication"]).await };
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
                let known = fleet.ask(*port, &["SENTINEL", "CKQUORUM", SERVICE]).await?;
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
        let (scheme, user, login) = match &fleet.doors {
            None => ("redis", String::new(), String::new()),
            Some(Doors { password, .. }) => (
                "rediss",
                format!(":{password}@"),
                format!("&sentinelPassword={password}"),
            ),
        };
        fleet.url = format!(
            "{scheme}-sentinel://{user}127.0.0.1:{}/0?sentinelServiceName={SERVICE}{login}{others}",
            ports[0]
        );
        Ok(fleet)
    }

    fn start_sentinel(&mut self, master: u16) -> Result<()> {
        let port = free_port()?;
        let folder = node_folder(&self.folder, port);
        fs::create_dir(&folder).context("making a folder")?;
        let mut settings = String::new();
        for (name, value) in listening(port, self.doors.as_ref()) {
            settings += &format!("{name} {value}\n");
        }
        settings += &format!(
            "bind 127.0.0.1\n\
             sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {SERVICE} {SILENCE_MS}\n\
             sentinel failover-timeout {SERVICE} 5000\n"
        );
        if let Some(Doors { password, .. }) = &self.doors {
            settings += &format!(
                "requirepass {password}\n\
                 sentinel sentinel-pass {password}\n\
                 sentinel auth-pass {SERVICE} {password}\n"
            );
        }
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

    /// The port of the node that is master now.
    pub(super) async fn master_of_sentinels(&self) -> Result<u16> {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
        let address = self.ask(self.sentinels[0].port, &ask).await?;
        let port = address.lines().nth(1).context("no master")?;
        Ok(port.trim().parse()?)
    }
}
