mod errors;
mod kind;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use altcha::Challenge;
use fluxgate_domain::ids::OrderId;
use serde::Serialize;

use super::RateLimit;

pub use kind::Kind;

/// An error answer: RFC 9457 `application/problem+json` with a stable `code`.
///
/// Only `problem/errors.rs` maps errors to kinds and `Retry-After`; a kind has its status and code.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    retry_after_seconds: Option<u64>,
    order_id: Option<OrderId>,
    remaining: Option<u32>,
    held: Option<u32>,
    wait: Option<Box<QueueWait>>,
    challenge: Option<Box<Challenge>>,
    rate_limits: Vec<RateLimit>,
}

/// What is known of the time until the turn of a ticket.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueWait {
    ahead: Option<u64>,
    estimate_seconds: Option<u64>,
}

/// Bytes of a detail: the message of a parser may repeat its input.
const DETAIL_MAX_BYTES: usize = 300;

/// The default `Retry-After` of a 503.
const RETRY_AFTER_SECONDS: u64 = 1;

impl Problem {
    /// A problem; `detail` says what is wrong and what is allowed.
    pub fn new(kind: Kind, detail: impl fmt::Display) -> Self {
        let is_temporary = kind.status() == StatusCode::SERVICE_UNAVAILABLE;
        let mut detail = detail.to_string();
        detail.truncate(detail.floor_char_boundary(DETAIL_MAX_BYTES));
        Self {
            kind,
            detail,
            retry_after_seconds: is_temporary.then_some(RETRY_AFTER_SECONDS),
            order_id: None,
            remaining: None,
            held: None,
            wait: None,
            challenge: None,
            rate_limits: Vec::new(),
        }
    }

    /// A request beyond `limit`.
    pub fn rate_limited(limit: RateLimit, detail: impl fmt::Display) -> Self {
        Self {
            retry_after_seconds: Some(limit.reset_seconds),
            rate_limits: vec![limit],
            ..Self::new(Kind::RateLimited, detail)
        }
    }

    /// Adds the order concerned: for the log, and for a retry of an order that holds no units.
    pub fn about(mut self, order_id: OrderId) -> Self {
        self.order_id = Some(order_id);
        self
    }

    /// Adds the units that are left, if they are known: the buyer may order again.
    pub fn with_remaining(mut self, remaining: Option<u32>) -> Self {
        self.remaining = remaining;
        self
    }

    /// Adds the units that may come back, if they are known.
    pub fn with_held(mut self, held: Option<u32>) -> Self {
        self.held = held;
        self
    }

    /// Adds what has to be solved first.
    pub fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// Adds what is left of the rate limits of the request.
    pub fn with_rate_limits(mut self, limits: Vec<RateLimit>) -> Self {
        self.rate_limits = limits;
        self
    }

    /// The order concerned, if any.
    pub fn order_id(&self) -> Option<OrderId> {
        self.order_id
    }

    /// A request that cannot succeed as it is.
    pub fn invalid(detail: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidRequest, detail)
    }

    /// Whether the request is invalid, whatever token it has.
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::InvalidRequest
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// What is wrong, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.kind.status());
        answer.content_type("application/problem+json");
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if let Some(challenge) = self.kind.challenge() {
            answer.insert_header((WWW_AUTHENTICATE, challenge));
        }
        for limit in &self.rate_limits {
            limit.append_to(&mut answer);
        }
        let body = Body {
            kind: "about:blank",
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            code: self.kind.code(),
            // A 503 must not look like the answer to an order that exists.
            order_id: match self.kind {
                Kind::OrderCancelled | Kind::OrderExpired | Kind::OrderRejected => self.order_id,
                _ => None,
            },
            remaining: self.remaining,
            held: self.held,
            wait: self.wait.as_deref(),
            challenge: self.challenge.as_deref(),
        };
        answer.body(serde_json::to_string(&body).expect("strings and numbers serialize to JSON"))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(rename = "orderId", skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u32>,
    #[serde(flatten)]
    wait: Option<&'a QueueWait>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<&'a Challenge>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let document = include_str!("../../../docs/API.md");
        for kind in Kind::ALL {
            let code = format!("`{}`", kind.code());
            assert!(document.contains(&code), "{code} is not in docs/API.md");
        }
    }
}
