use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};

/// How much of a body over the limit is read and thrown away, so that its sender, who may still
/// be sending, gets to read the answer.
const DRAIN_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Reads a JSON body.
///
/// # Errors
/// 413 above `limit` bytes, 415 when it is not said to be JSON, 400 when it is not what `T` holds.
pub async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<T, Problem> {
    let body = bytes(payload, limit).await?;
    if !is_json(request) {
        let detail = "send the body with Content-Type: application/json";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    serde_json::from_slice(&body).map_err(Problem::invalid)
}

/// Reads and ignores the body of a call that needs none.
///
/// # Errors
/// 413 above `limit` bytes.
pub async fn none(payload: Payload, limit: usize) -> Result<(), Problem> {
    bytes(payload, limit).await.map(drop)
}

async fn bytes(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    // Nearly always there is one chunk, and it is the body.
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut received = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Problem::invalid(format!("body: {error}")))?;
        received += chunk.len();
        if received <= limit {
            match first.is_empty() {
                true => first = chunk,
                false => more.extend_from_slice(&chunk),
            }
        } else if received > DRAIN_MAX_BYTES {
            break;
        }
    }
    if received > limit {
        let detail = format!("a body may have {limit} bytes here");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    if more.is_empty() {
        return Ok(first);
    }
    Ok([first, more.freeze()].concat().into())
}

fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
