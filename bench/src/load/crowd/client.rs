//! What one client process does.

use std::io::{Write, stdin};
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use ingest_api::open_files;
use tokio::task::{JoinSet, spawn_blocking};

use super::{CONNECTED, GO, Report};
use crate::load::connection::Connection;
use crate::load::constant;
use crate::load::mixed::Mixed;

/// Connections that are made at the same time.
const AT_ONCE: usize = 32;

/// Holds many connections and sends orders over them in turn; started by `connections`
#[derive(Debug, Clone, Parser)]
#[command(name = "crowd")]
pub struct Arguments {
    /// Where to connect to
    #[arg(long)]
    server: SocketAddr,
    /// Where the connections come from
    #[arg(long)]
    source: IpAddr,
    /// How many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=28_000))]
    connections: u32,
    /// Requests a second, over all of them
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    per_second: u32,
    /// For how long
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// The sale that goes on
    #[arg(long)]
    product: String,
    /// One order in so many is of it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    taken_every: u64,
    /// Part of every key
    #[arg(long)]
    run: String,
    /// Users that take turns
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
}

/// Connects, says so, waits for the word, sends, and reports. Ends when its input ends instead.
///
/// # Errors
/// When a connection cannot be made.
#[tokio::main]
pub async fn run(arguments: Arguments) -> Result<()> {
    let files = open_files::raise_limit();
    ensure!(
        files > arguments.connections.into(),
        "only {files} open files are allowed"
    );
    let connections = connect(&arguments).await?;
    say(CONNECTED)?;
    if spawn_blocking(hear).await?? != GO {
        return Ok(());
    }
    let server = arguments.server;
    let mixed = Mixed {
        product: arguments.product,
        taken_every: arguments.taken_every,
        run: arguments.run,
        users: arguments.users,
    };
    let schedule = constant::soon(arguments.per_second, arguments.seconds);
    let orders = mixed.clone();
    let sent = constant::send_over(connections, schedule, move |n| orders.order(server, n)).await?;
    let latency_us = |sent: &constant::Sent| u32::try_from(sent.latency.as_micros());
    say(&serde_json::to_string(&Report {
        latencies_us: sent.iter().map(latency_us).collect::<Result<_, _>>()?,
        wrong: mixed.wrong(&sent),
        reconnected: sent.iter().filter(|sent| sent.reconnected).count() as u64,
    })?)
}

/// Asks once on each: a server does not wait long for the first request of a connection.
async fn connect(arguments: &Arguments) -> Result<Vec<Connection>> {
    let mut made = Vec::new();
    let mut under_way = JoinSet::new();
    for _ in 0..arguments.connections {
        if under_way.len() >= AT_ONCE {
            made.extend(under_way.join_next().await.transpose()?.transpose()?);
        }
        let (source, server) = (arguments.source, arguments.server);
        let look = format!("/products/{}", arguments.product);
        under_way.spawn(async move {
            let mut connection = Connection::from(source, server);
            let request = Request::get(look).header("Host", server.to_string());
            let status = connection.ask(request.body(Full::new(Bytes::new()))?).await;
            let status = status.context("connecting")?;
            ensure!(status == 200, "the first answer is {status}");
            anyhow::Ok(connection)
        });
    }
    while let Some(connection) = under_way.join_next().await {
        made.push(connection??);
    }
    Ok(made)
}

/// A line, empty at the end of the input.
fn hear() -> std::io::Result<String> {
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
