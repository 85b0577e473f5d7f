use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{AGREEMENT, Fleet};
use crate::doors::Doors;
use crate::process::free_port;
use crate::until::until;

/// One Redis process.
#[derive(Debug)]
pub struct Node {
    pub port: u16,
    pub arguments: Vec<String>,
    pub child: Child,
}

impl Fleet {
    pub(super) fn start_node(&mut self, more: &[&str]) -> Result<u16> {
        let port = free_port()?;
        let mut arguments = [
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
        ]
        .map(str::to_owned)
        .to_vec();
        for (name, value) in listening(port, self.doors.as_ref()) {
            arguments.extend([format!("--{name}"), value]);
        }
        if let Some(doors) = &self.doors {
            let password = [
                "--requirepass",
                &doors.password,
                "--masterauth",
                &doors.password,
            ];
            arguments.extend(password.map(str::to_owned));
        }
        arguments.extend(more.iter().map(|it| (*it).to_owned()));
        let folder = node_folder(&self.folder, port);
        fs::create_dir(&folder).context("making a folder")?;
        let child = launch(&self.server, &arguments, &folder)?;
        self.nodes.push(Node {
            port,
            arguments,
            child,
        });
        Ok(port)
    }

    pub(super) async fn answering(&self, port: u16) -> Result<()> {
        until("a node answers", AGREEMENT, async || {
            let answer = self.ask(port, &["PING"]).await?;
            ensure!(answer.starts_with("PONG"), "{answer}");
            Ok(())
        })
        .await
    }

    pub(super) async fn expect_ok(&self, port: u16, arguments: &[&str]) -> Result<()> {
        let answer = self.ask(port, arguments).await?;
        ensure!(answer.starts_with("OK"), "{arguments:?}: {answer}");
        Ok(())
    }

    /// What a node answers to one command.
    pub(super) async fn ask(&self, port: u16, arguments: &[&str]) -> Result<String> {
        let port = port.to_string();
        let mut command = tokio::process::Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port]);
        if let Some(doors) = &self.doors {
            command.args(["--tls", "--cacert", &doors.ca_file]);
            command.env("REDISCLI_AUTH", &doors.password);
        }
        command.args(arguments);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = output.await.context("running redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{text}");
        Ok(text)
    }
}

/// Redis's settings for where it listens: on a plain port, or on an encrypted one, for its peers too.
pub fn listening(port: u16, doors: Option<&Doors>) -> Vec<(&'static str, String)> {
    let port = port.to_string();
    let Some(doors) = doors else {
        return vec![("port", port)];
    };
    vec![
        ("port", "0".into()),
        ("tls-port", port),
        ("tls-cert-file", doors.server_file("server.crt")),
        ("tls-key-file", doors.server_file("server.key")),
        ("tls-ca-cert-file", doors.ca_file.clone()),
        ("tls-auth-clients", "no".into()),
        ("tls-replication", "yes".into()),
        ("tls-cluster", "yes".into()),
    ]
}

pub fn node_folder(folder: &Path, port: u16) -> PathBuf {
    folder.join(port.to_string())
}

pub fn launch(server: &Path, arguments: &[String], folder: &Path) -> Result<Child> {
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
