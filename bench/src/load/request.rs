use std::net::SocketAddr;

use anyhow::Result;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

/// A request of ours, complete.
pub type Prepared = Request<Full<Bytes>>;

/// An order of one unit.
pub fn order(address: SocketAddr, product: &str, user: &str, key: &str) -> Result<Prepared> {
    let body = format!(r#"{{"productId":"{product}","userId":"{user}","quantity":1}}"#);
    Ok(Request::post("/orders")
        .header("Host", address.to_string())
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", key)
        .body(Full::new(Bytes::from(body)))?)
}
