use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1_024;

/// One keep-alive HTTP/1.1 connection. It is reopened after an error.
///
/// It understands only what Fluxgate sends: answers with a `content-length`. A general client takes several times the
/// CPU, which the other processes on the same machine then lack.
pub struct Connection {
    pub address: SocketAddr,
    source: Option<IpAddr>,
    stream: Option<TcpStream>,
    received: Vec<u8>,
    /// How often it was opened.
    pub made: u32,
}

/// A complete answer.
#[derive(Debug, PartialEq)]
pub struct Answer<'a> {
    pub status: u16,
    /// Status line and headers.
    pub head: &'a str,
    pub body: &'a str,
}

impl Connection {
    /// With a source address of its own, which has its own ports, or with the usual one.
    pub fn new(source: Option<IpAddr>, address: SocketAddr) -> Self {
        Self {
            address,
            source,
            stream: None,
            received: Vec::new(),
            made: 0,
        }
    }

    /// Connects if needed.
    pub async fn connect(&mut self) -> Result<()> {
        if self.stream.is_none() {
            let socket = TcpSocket::new_v4()?;
            if let Some(source) = self.source {
                socket.bind((source, 0).into())?;
            }
            let stream = socket.connect(self.address).await.context("connecting")?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
            self.made += 1;
        }
        Ok(())
    }

    /// Sends a request and reads the complete answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.connect().await?;
        // If this future is dropped or fails, the rest of the answer is dropped with its connection.
        let mut stream = self.stream.take().context("just connected")?;
        stream.write_all(request).await?;
        self.received.clear();
        let (head, end) = loop {
            if let Some(found) = parts(&self.received)? {
                break found;
            }
            ensure!(
                self.received.len() < ANSWER_MAX_BYTES,
                "the answer is too long"
            );
            let read = stream.read_buf(&mut self.received).await?;
            ensure!(read > 0, "the connection was closed");
        };
        ensure!(self.received.len() == end, "more than one answer");
        self.stream = Some(stream);
        let text = str::from_utf8(&self.received)?;
        Ok(Answer {
            status: text.get(9..12).context("no status")?.parse()?,
            head: &text[..head],
            body: &text[head..],
        })
    }
}

/// The ends of the head and of the answer, if the answer is complete.
fn parts(received: &[u8]) -> Result<Option<(usize, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = received.windows(END.len()).position(|window| window == END) else {
        return Ok(None);
    };
    let head = head + END.len();
    for line in received[..head].split(|byte| *byte == b'\n') {
        const LENGTH: &[u8] = b"content-length:";
        let (name, value) = line.split_at(LENGTH.len().min(line.len()));
        if name.eq_ignore_ascii_case(LENGTH) {
            let length: usize = str::from_utf8(value)?.trim().parse()?;
            let end = head + length;
            return Ok((received.len() >= end).then_some((head, end)));
        }
    }
    bail!("an answer without content-length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nx: y\r\n\r\nabc";
        assert_eq!(parts(answer).unwrap(), Some((44, 47)));
        for short in [10, 44, 46] {
            assert_eq!(parts(&answer[..short]).unwrap(), None, "{short}");
        }
        assert!(parts(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
