//! The body of a request is read before the request takes a slot of IN_FLIGHT_MAX: a client that sends slowly holds its
//! connection and the bytes it has sent, nothing else.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut};
use fluxgate_service::ops::Readiness;
use futures_util::{FutureExt, StreamExt};
use prometheus::IntGauge;
use tokio::select;
use tokio::time::sleep;

use super::problem::{Kind, Problem};
use crate::config::LimitSettings;
use crate::metrics::Metrics;

/// How long a body may still take once the instance drains.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);
/// Bytes of incomplete bodies that an instance keeps.
const INCOMPLETE_MAX_BYTES: i64 = 64 * 1024 * 1024;

/// The body of a request, for its handler.
pub struct Body(pub Bytes);

/// Reads bodies: bounded in size, in time, and all incomplete ones together in memory.
pub struct BodyReader {
    max_bytes: usize,
    timeout: Duration,
    readiness: Readiness,
    metrics: Metrics,
}

type Chunk = Option<Result<Bytes, PayloadError>>;

impl BodyReader {
    /// A reader with the limits of `settings`. Once `readiness` drains, bodies have less time.
    pub fn new(settings: &LimitSettings, readiness: Readiness, metrics: Metrics) -> Self {
        Self {
            max_bytes: settings.body_limit_bytes as usize,
            timeout: settings.body_timeout(),
            readiness,
            metrics,
        }
    }

    /// Reads the body of a request with these headers to its end.
    ///
    /// # Errors
    /// 413 if it is too large, 408 if it takes too long, 503 if too many bodies are incomplete, 400 if it is malformed.
    pub async fn read(&self, headers: &HeaderMap, payload: &mut Payload) -> Result<Bytes, Problem> {
        let length = length(headers);
        match length {
            Some(0) => return Ok(Bytes::new()),
            Some(length) if length > self.max_bytes => return Err(self.too_large()),
            _ => {}
        }
        decoded().await;
        match payload.next().now_or_never() {
            Some(Some(Ok(chunk))) if Some(chunk.len()) == length => Ok(chunk),
            // Boxed: few bodies come in parts, and it would enlarge the future of every request.
            first => Box::pin(self.assemble(length, first, payload)).await,
        }
    }

    async fn assemble(
        &self,
        length: Option<usize>,
        mut first: Option<Chunk>,
        payload: &mut Payload,
    ) -> Result<Bytes, Problem> {
        let mut body = IncompleteBody::new(&self.metrics.incomplete_body_bytes);
        let mut deadline = pin!(self.deadline());
        // An `Upgrade` makes the payload endless; its body ends after `Content-Length` bytes all the same.
        while Some(body.bytes.len()) != length {
            let chunk = match first.take() {
                Some(chunk) => chunk,
                None => select! {
                    biased;
                    chunk = payload.next() => chunk,
                    () = &mut deadline => return Err(self.too_slow()),
                },
            };
            let Some(chunk) = chunk else {
                break;
            };
            let mut chunk = chunk.map_err(|error| Problem::invalid(format!("body: {error}")))?;
            chunk.truncate(length.unwrap_or(usize::MAX) - body.bytes.len());
            body.extend(&chunk);
            if body.bytes.len() > self.max_bytes {
                return Err(self.too_large());
            }
            if body.all.get() > INCOMPLETE_MAX_BYTES {
                return Err(self.too_many());
            }
        }
        Ok(std::mem::take(&mut body.bytes).freeze())
    }

    async fn deadline(&self) {
        let drained = async {
            self.readiness.drained().await;
            sleep(DRAIN_TIMEOUT).await;
        };
        select! {
            () = sleep(self.timeout) => {}
            () = drained => {}
        }
    }

    fn too_large(&self) -> Problem {
        self.hit("bytes");
        let detail = format!("the body must have at most {} bytes", self.max_bytes);
        Problem::new(Kind::BodyTooLarge, detail)
    }

    fn too_slow(&self) -> Problem {
        self.hit("time");
        let detail = "the body did not arrive in time";
        Problem::new(Kind::RequestTimeout, detail)
    }

    fn too_many(&self) -> Problem {
        self.hit("memory");
        Problem::new(Kind::Overloaded, "too many bodies are incomplete")
    }

    fn hit(&self, limit: &str) {
        let hits = &self.metrics.body_limit_hits_total;
        hits.with_label_values(&[limit]).inc();
    }
}

/// The server decodes a body that came with its head only after it has polled the request once; after this, such a body is
/// there, and needs no timer. Not `yield_now`, which costs a system call.
async fn decoded() {
    let mut is_polled = false;
    poll_fn(|context| match is_polled {
        true => Poll::Ready(()),
        false => {
            is_polled = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// The bytes of a body by its headers; `None`: until the payload ends. Without a length, an `Upgrade` has no body.
fn length(headers: &HeaderMap) -> Option<usize> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    let length = length.and_then(|it| it.trim().parse::<u64>().ok());
    Some(usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX))
}

/// A body in parts; counted until it is dropped. A copy, because each part keeps a read buffer of the connection alive.
struct IncompleteBody<'a> {
    bytes: BytesMut,
    counted: i64,
    all: &'a IntGauge,
}

impl<'a> IncompleteBody<'a> {
    fn new(all: &'a IntGauge) -> Self {
        Self {
            bytes: BytesMut::new(),
            counted: 0,
            all,
        }
    }

    fn extend(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
        self.counted += part.len() as i64;
        self.all.add(part.len() as i64);
    }
}

impl Drop for IncompleteBody<'_> {
    fn drop(&mut self) {
        self.all.sub(self.counted);
    }
}

/// An answer to a request whose body was not read to its end. It keeps the rest of the body: after such an answer the server
/// closes the connection, but if the rest were dropped, it would read a chunked body for as long as the client sends.
pub struct Unread {
    answer: BoxBody,
    _rest: Payload,
}

impl Unread {
    pub fn new(answer: BoxBody, rest: Payload) -> Self {
        Self {
            answer,
            _rest: rest,
        }
    }
}

impl MessageBody for Unread {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(cx)
    }
}
