use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::ConnectionMetrics;

/// Bytes that each connection may hold uncounted: about the first read buffer.
const UNCOUNTED_BYTES: usize = 8 * 1024;
/// Most bytes that count for one connection. What it sends beyond is the body of a request, or is thrown away.
const COUNTED_MAX_BYTES: usize = 256 * 1024;
/// Counted bytes of all connections of a listener.
const BUFFERED_MAX_BYTES: i64 = 64 * 1024 * 1024;
/// Bytes that are read before the server parses them. What follows a request stays behind in the kernel until then.
const READ_STEP_BYTES: usize = 8 * 1024;

/// What connections of one thread share.
pub(super) struct ConnectionLimits {
    /// From the first byte of a request to the first byte of its answer, and from one part of an answer to the next. Also
    /// from the opening of a connection to its first byte.
    pub request_timeout: Duration,
    /// How long the server keeps an idle connection.
    pub keep_alive: Duration,
    pub connections_max: i64,
    pub metrics: ConnectionMetrics,
}

impl ConnectionLimits {
    /// The server closes idle connections itself, but begins to count again whenever a connection wakes it, as the timer
    /// here does. Not shorter than a request that was read together with the one before.
    fn idle_timeout(&self) -> Duration {
        self.keep_alive.max(self.request_timeout)
    }
}

/// A connection that is bounded in time and memory where the server is not: in heads of requests, bodies
/// that nobody reads, requests that are sent ahead, and answers that the client does not read.
///
/// The server sees an error of the connection when a limit is reached, and closes it.
pub(super) struct BoundedStream {
    io: TcpStream,
    limits: Rc<ConnectionLimits>,
    /// The connection is closed then, unless a part of an answer is written before.
    deadline: Instant,
    /// Set lazily: it may fire before the deadline, and is then set again. No request pays for it.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether nothing has come since the last part of an answer.
    is_idle: bool,
    /// Whether the client does not read what is written.
    is_blocked: bool,
    unparsed: usize,
    /// Bytes read since the last part of an answer, and bytes of answers that cannot be written yet.
    unanswered: usize,
    unwritten: usize,
    counted: i64,
}

impl BoundedStream {
    pub fn new(io: TcpStream, limits: &Rc<ConnectionLimits>) -> Self {
        let metrics = &limits.metrics;
        metrics.connections.inc();
        if metrics.connections.get() >= limits.connections_max {
            metrics.connections_limit_hits_total.inc();
        }
        Self {
            io,
            limits: Rc::clone(limits),
            deadline: Instant::now() + limits.request_timeout,
            timer: None,
            is_idle: true,
            is_blocked: false,
            unparsed: 0,
            unanswered: 0,
            unwritten: 0,
            counted: 0,
        }
    }

    /// Pending until the deadline, then an error.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        self.poll_deadline(cx).map(|()| Err(self.close("time")))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let period = self.limits.request_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(period)));
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= self.deadline {
                return Poll::Ready(());
            }
            // Never later than a deadline that a request would set meanwhile.
            timer.as_mut().reset(self.deadline.min(now + period));
        }
        Poll::Pending
    }

    fn received(&mut self, bytes: usize) -> Result<()> {
        if self.is_idle && bytes > 0 {
            self.is_idle = false;
            self.deadline = Instant::now() + self.limits.request_timeout;
        }
        self.unparsed += bytes;
        self.unanswered += bytes;
        self.count()
    }

    fn written(&mut self, left: usize) -> Result<()> {
        self.is_blocked = false;
        self.is_idle = true;
        self.deadline = Instant::now() + self.limits.idle_timeout();
        self.unanswered = 0;
        self.unwritten = left;
        self.count()
    }

    fn blocked(&mut self, left: usize) -> Result<()> {
        if !self.is_blocked {
            self.is_blocked = true;
            self.deadline = Instant::now() + self.limits.request_timeout;
        }
        self.unwritten = left;
        self.count()
    }

    fn count(&mut self) -> Result<()> {
        let held = (self.unanswered + self.unwritten).saturating_sub(UNCOUNTED_BYTES);
        let held = held.min(COUNTED_MAX_BYTES) as i64;
        let more = held - self.counted;
        if more == 0 {
            return Ok(());
        }
        let buffered = &self.limits.metrics.connection_buffered_bytes;
        buffered.add(more);
        self.counted = held;
        match more > 0 && buffered.get() > BUFFERED_MAX_BYTES {
            true => Err(self.close("memory")),
            false => Ok(()),
        }
    }

    fn close(&self, limit: &str) -> Error {
        let closed = &self.limits.metrics.connections_closed_total;
        closed.with_label_values(&[limit]).inc();
        Error::new(ErrorKind::TimedOut, "the connection reached a limit")
    }
}

impl Drop for BoundedStream {
    fn drop(&mut self) {
        let metrics = &self.limits.metrics;
        metrics.connections.dec();
        metrics.connection_buffered_bytes.sub(self.counted);
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        // A client that reads no answers gets no further requests read. The server would spin once its buffer is full.
        if this.is_blocked {
            return this.wait(cx);
        }
        if this.unparsed >= READ_STEP_BYTES {
            this.unparsed = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(this.received(buffer.filled().len() - before)),
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                this.unparsed = 0;
                match this.is_idle {
                    // Over, as if the client had closed it.
                    true => this.poll_deadline(cx).map(Ok),
                    false => this.wait(cx),
                }
            }
        }
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.io).poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                Poll::Ready(this.written(bytes.len() - written).map(|()| written))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => match this.blocked(bytes.len()) {
                Ok(()) => this.wait(cx),
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
