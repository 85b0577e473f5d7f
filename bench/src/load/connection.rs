use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::request::Prepared;

/// Longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// One keep-alive connection, made anew when it breaks.
pub struct Connection {
    address: SocketAddr,
    source: Option<IpAddr>,
    sender: Option<SendRequest<Full<Bytes>>>,
    made: u32,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            source: None,
            sender: None,
            made: 0,
        }
    }

    /// One that comes from this address: each has ports of its own.
    pub fn from(source: IpAddr, address: SocketAddr) -> Self {
        let source = Some(source);
        let new = Self::new(address);
        Self { source, ..new }
    }

    /// How often it was made.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// The status of the answer, once all of it has come.
    pub async fn ask(&mut self, request: Prepared) -> Result<u16> {
        let answer = timeout(PATIENCE, self.try_ask(request)).await;
        let answer = answer.context("no answer in time").flatten();
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    /// Connects, if it is not; so that the first request does not pay for it.
    pub async fn ready(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = self.connect().await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
            self.made += 1;
        }
        self.sender.as_mut().context("just connected")
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = self.source {
            socket.bind((source, 0).into())?;
        }
        Ok(socket.connect(self.address).await?)
    }

    async fn try_ask(&mut self, request: Prepared) -> Result<u16> {
        let answer = self.ready().await?.send_request(request).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }
}
