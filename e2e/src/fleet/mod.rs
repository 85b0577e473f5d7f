//! Several Redis processes that act as one: a master and replicas under Sentinels, or a Cluster.

mod cluster;
mod sentinels;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::ProductId;

use crate::order::unique;
use crate::process::{Process, Settings, free_port};
use crate::stack::Stack;
use crate::tls_listeners::TlsListeners;
use crate::wait::wait_until;
pub use cluster::MovingSlot;

/// How long a silent node is believed to be alive, in ms.
const SILENCE_MS: u32 = 1_000;
/// Longest until all nodes agree after a start, a failover or a move.
const AGREEMENT: Duration = Duration::from_secs(30);

/// The processes. Dropping it kills them and removes their folder.
#[derive(Debug)]
pub struct Fleet {
    /// What services are given as REDIS_URL.
    pub url: String,
    nodes: Vec<Process>,
    sentinels: Vec<Process>,
    folder: PathBuf,
    server: PathBuf,
    /// Set where all connections are encrypted.
    tls: Option<TlsListeners>,
}

impl Fleet {
    fn new(stack: &Stack, tls: Option<TlsListeners>) -> Result<Self> {
        let folder = std::env::temp_dir().join(unique("fleet"));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self {
            url: String::new(),
            nodes: Vec::new(),
            sentinels: Vec::new(),
            folder,
            server: stack.redis_server(),
            tls,
        })
    }

    /// A single Redis, which a test can make a replica.
    pub async fn single(stack: &Stack) -> Result<Self> {
        let mut fleet = Self::new(stack, None)?;
        let port = fleet.start_node("")?;
        fleet.answering(port).await?;
        fleet.url = format!("redis://127.0.0.1:{port}");
        Ok(fleet)
    }

    /// Kills the node that is master of this product's keys; returns its number.
    pub async fn kill_master(&mut self, product: &ProductId) -> Result<usize> {
        let port = if self.sentinels.is_empty() {
            self.master_of_slot(cluster::slot(product)).await?.port
        } else {
            self.master_of_sentinels().await?
        };
        let number = self.number_of(port)?;
        self.nodes[number].kill()?;
        Ok(number)
    }

    fn number_of(&self, port: u16) -> Result<usize> {
        let number = self.nodes.iter().position(|node| node.port() == port);
        number.with_context(|| format!("no node listens on {port}"))
    }

    /// Starts killed nodes again, with the data they had.
    pub async fn start_again(&mut self, numbers: &[usize]) -> Result<()> {
        for number in numbers {
            self.nodes[*number].start_again()?;
            self.answering(self.nodes[*number].port()).await?;
        }
        if self.sentinels.is_empty() {
            return self.agreed().await;
        }
        self.follow_one_master().await
    }

    /// Starts a node on a free port with `more` settings than all have; returns the port.
    fn start_node(&mut self, more: &str) -> Result<u16> {
        let mut settings = format!(
            "appendonly yes\nsave \"\"\nrepl-diskless-sync-delay 0\nmaxmemory-policy noeviction\n{more}\n"
        );
        if let Some(tls) = &self.tls {
            settings += &format!("masterauth {}\n", tls.password);
        }
        let node = self.start(&settings, &[])?;
        let port = node.port();
        self.nodes.push(node);
        Ok(port)
    }

    /// Starts a Redis on a free port, encrypted for its peers too, with a password, where the fleet is.
    fn start(&self, settings: &str, arguments: &[&str]) -> Result<Process> {
        let port = free_port()?;
        let listening = match &self.tls {
            None => format!("port {port}"),
            Some(tls) => format!(
                "port 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
                 tls-auth-clients no\ntls-replication yes\ntls-cluster yes\nrequirepass {}",
                tls.server_file("server.crt"),
                tls.server_file("server.key"),
                tls.ca_file,
                tls.password,
            ),
        };
        let folder = self.folder.join(port.to_string());
        fs::create_dir(&folder).context("making a folder")?;
        let file = folder.join("redis.conf").to_string_lossy().into_owned();
        let log = folder.join("log");
        let folder = folder.display();
        let settings = format!("dir {folder}\nbind 127.0.0.1\n{listening}\n{settings}");
        fs::write(&file, settings).context("writing its settings")?;
        let arguments = [&[&*file], arguments].concat();
        Process::launch(&self.server, &arguments, Settings::new(), log, port)
    }

    async fn answering(&self, port: u16) -> Result<()> {
        wait_until("a node answers", AGREEMENT, async || {
            let answer = self.ask(port, "PING").await?;
            ensure!(answer.starts_with("PONG"), "{answer}");
            Ok(())
        })
        .await
    }

    async fn expect_ok(&self, port: u16, command: &str) -> Result<()> {
        let answer = self.ask(port, command).await?;
        ensure!(answer.starts_with("OK"), "{command}: {answer}");
        Ok(())
    }

    /// What a node answers to one command.
    async fn ask(&self, port: u16, command: &str) -> Result<String> {
        self.cli(&format!("-h 127.0.0.1 -p {port} {command}")).await
    }

    /// What redis-cli prints.
    async fn cli(&self, arguments: &str) -> Result<String> {
        let mut cli = tokio::process::Command::new("redis-cli");
        if let Some(tls) = &self.tls {
            cli.args(["--tls", "--cacert", &tls.ca_file]);
            cli.env("REDISCLI_AUTH", &tls.password);
        }
        cli.args(arguments.split_whitespace());
        let output = cli.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let output = output.context("running redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{text}");
        Ok(text)
    }

    /// A URL of this kind that names these ports; its query ends with `more`.
    fn url_of(&self, kind: &str, ports: &[u16], more: &str) -> String {
        let (scheme, user) = match &self.tls {
            None => ("redis", String::new()),
            Some(tls) => ("rediss", format!(":{}@", tls.password)),
        };
        let nodes = ports[1..].iter().map(|it| format!("node=127.0.0.1:{it}"));
        let nodes = nodes.collect::<Vec<_>>().join("&");
        format!(
            "{scheme}-{kind}://{user}127.0.0.1:{}?{nodes}{more}",
            ports[0]
        )
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // They write to the folder.
        self.sentinels.clear();
        self.nodes.clear();
        // It is in the folder for temporary files; nothing depends on its removal.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
