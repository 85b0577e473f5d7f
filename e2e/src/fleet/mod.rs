//! Several Redis processes that act as one: a master and replicas under Sentinels, or a Cluster.

mod cluster;
mod sentinels;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::ProductId;

use crate::order::unique;
use crate::process::free_port;
use crate::stack::Stack;
use crate::tls_listeners::TlsListeners;
use crate::wait::wait_until;

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
    /// Set where all connections are encrypted.
    tls: Option<TlsListeners>,
}

#[derive(Debug)]
struct Node {
    port: u16,
    arguments: Vec<String>,
    child: Child,
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

    /// Kills the node that is master of this product's keys; returns its number.
    pub async fn kill_master(&mut self, product: &ProductId) -> Result<usize> {
        let port = if self.sentinels.is_empty() {
            self.master_of_slot(cluster::slot(product)).await?.0
        } else {
            self.master_of_sentinels().await?
        };
        let number = self.nodes.iter().position(|node| node.port == port);
        let number = number.with_context(|| format!("no node listens on {port}"))?;
        let node = &mut self.nodes[number];
        node.child.kill().context("killing a node")?;
        node.child.wait().context("reaping a node")?;
        Ok(number)
    }

    /// Starts a killed node again, with the data it had.
    pub async fn start_again(&mut self, number: usize) -> Result<()> {
        let Node {
            port, arguments, ..
        } = &self.nodes[number];
        let (port, child) = (*port, self.launch(*port, arguments)?);
        self.nodes[number].child = child;
        self.answering(port).await?;
        if self.sentinels.is_empty() {
            self.agreed().await?;
        }
        Ok(())
    }

    /// Starts a node on a free port with `more` arguments than all have.
    fn start_node(&mut self, more: &str) -> Result<u16> {
        let port = free_port()?;
        let common = "--bind 127.0.0.1 --appendonly yes --repl-diskless-sync-delay 0 \
            --maxmemory-policy noeviction";
        let common = common.split_whitespace().chain(more.split_whitespace());
        let mut arguments: Vec<String> = common.map(str::to_owned).collect();
        arguments.extend(["--save".to_owned(), String::new()]);
        for (name, value) in self.listening(port) {
            arguments.extend([format!("--{name}"), value]);
        }
        if let Some(TlsListeners { password, .. }) = &self.tls {
            let secrets = ["--requirepass", password, "--masterauth", password];
            arguments.extend(secrets.map(str::to_owned));
        }
        fs::create_dir(self.node_folder(port)).context("making a folder")?;
        let child = self.launch(port, &arguments)?;
        self.nodes.push(Node {
            port,
            arguments,
            child,
        });
        Ok(port)
    }

    fn launch(&self, port: u16, arguments: &[String]) -> Result<Child> {
        let folder = self.node_folder(port);
        let log = fs::File::create(folder.join("log")).context("making a log")?;
        Command::new(&self.server)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting a Redis")
    }

    fn node_folder(&self, port: u16) -> PathBuf {
        self.folder.join(port.to_string())
    }

    /// Redis's settings for where it listens: on a plain port, or on an encrypted one, for its peers too.
    fn listening(&self, port: u16) -> Vec<(&'static str, String)> {
        let port = port.to_string();
        let Some(tls) = &self.tls else {
            return vec![("port", port)];
        };
        vec![
            ("port", "0".into()),
            ("tls-port", port),
            ("tls-cert-file", tls.server_file("server.crt")),
            ("tls-key-file", tls.server_file("server.key")),
            ("tls-ca-cert-file", tls.ca_file.clone()),
            ("tls-auth-clients", "no".into()),
            ("tls-replication", "yes".into()),
            ("tls-cluster", "yes".into()),
        ]
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
        let mut cli = tokio::process::Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        if let Some(tls) = &self.tls {
            cli.args(["--tls", "--cacert", &tls.ca_file]);
            cli.env("REDISCLI_AUTH", &tls.password);
        }
        cli.args(command.split_whitespace());
        let output = cli.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let output = output.context("running redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{text}");
        Ok(text)
    }

    /// A URL of these ports, with what its scheme and its query name.
    fn set_url(&mut self, kind: &str, database: &str, query: &str, ports: &[u16]) {
        let (scheme, user) = match &self.tls {
            None => ("redis", String::new()),
            Some(TlsListeners { password, .. }) => ("rediss", format!(":{password}@")),
        };
        let others = ports[1..]
            .iter()
            .map(|port| format!("node=127.0.0.1:{port}"));
        let query: Vec<String> = query
            .split_terminator('&')
            .map(str::to_owned)
            .chain(others)
            .collect();
        let (first, query) = (ports[0], query.join("&"));
        self.url = format!("{scheme}-{kind}://{user}127.0.0.1:{first}{database}?{query}");
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for node in self.nodes.iter_mut().chain(&mut self.sentinels) {
            // Both fail only where the process has been reaped already.
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
        // It is in the folder for temporary files; nothing depends on its removal.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
