//! Asks the instances of the API and records what they answer.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;

use super::history::{Action, Exchange, OrderShown, Recorder, Request, Response};
use crate::answer::{OrderBody, Outcome, judge};
use crate::client::{ADMIN_TOKEN, http_client};
use crate::order::Order;

/// Longest that a buyer waits: a frozen instance must not hold all of them.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longest that an admin waits: a change waits up to 8 s for Kafka.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A caller of all instances. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Caller {
    http: reqwest::Client,
    urls: Vec<String>,
    recorder: Recorder,
}

impl Caller {
    pub fn new(urls: Vec<String>, recorder: Recorder) -> Result<Self> {
        let http = http_client().build().context("building an HTTP client")?;
        Ok(Self {
            http,
            urls,
            recorder,
        })
    }

    pub fn instances(&self) -> usize {
        self.urls.len()
    }

    /// Asks once.
    pub async fn ask(&self, instance: usize, request: Request) -> Response {
        let instance = instance % self.urls.len();
        let sent_us = self.recorder.now_us();
        let answer = async {
            let answer = self.request(&self.urls[instance], &request).send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            // A connection that breaks in the middle of a body is no answer.
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        };
        let response = match answer.await {
            Ok((status, headers, body)) => read(&request, status, &headers, &body),
            Err(error) => Response::NoAnswer(format!("{:#}", anyhow::Error::new(error))),
        };
        self.recorder.add(Exchange {
            request,
            instance,
            sent_us,
            done_us: self.recorder.now_us(),
            response: response.clone(),
        });
        response
    }

    fn request(&self, url: &str, request: &Request) -> RequestBuilder {
        let get = |path: String| self.http.get(format!("{url}{path}")).timeout(TIMEOUT);
        let change = |path: String| {
            let request = self.http.post(format!("{url}{path}"));
            request.bearer_auth(ADMIN_TOKEN).timeout(ADMIN_TIMEOUT)
        };
        let product = &request.product;
        match &request.action {
            Action::Order { .. } => {
                let Order {
                    user,
                    quantity,
                    key,
                    ..
                } = order(request);
                let body = json!({"productId": product, "userId": user, "quantity": quantity});
                let request = self.http.post(format!("{url}/orders")).timeout(TIMEOUT);
                request
                    .header("Idempotency-Key", format!("\"{key}\""))
                    .json(&body)
            }
            Action::ReadStatus(id) => get(format!("/orders/{id}")),
            Action::ReadSale => get(format!("/products/{product}")),
            Action::Cancel(id) => change(format!("/orders/{id}/cancel")),
            Action::Restock { key, units } => change(format!("/products/{product}/restock"))
                .header("Idempotency-Key", key)
                .json(&json!({"quantity": units})),
            Action::Close => change(format!("/products/{product}/close")),
        }
    }
}

/// The order that a request asks for; an empty one for every other request.
fn order(request: &Request) -> Order {
    match request.action {
        Action::Order { buyer, quantity } => Order {
            product: request.product.clone(),
            user: format!("buyer-{buyer}"),
            quantity,
            key: format!("key-of-buyer-{buyer}"),
        },
        _ => Order::default(),
    }
}

/// What an answer means by the contract.
fn read(request: &Request, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Response {
    if !request.is_order() && status == StatusCode::OK {
        let text = || String::from_utf8_lossy(body).into_owned();
        return shown(request, body).unwrap_or_else(|| Response::Unexpected(text()));
    }
    match judge(&order(request), status, headers, body) {
        Outcome::Accepted {
            id,
            status,
            replayed,
        } => Response::Order(OrderShown {
            id,
            status,
            replayed,
        }),
        Outcome::Refused { http, code } => Response::Refused(http, code),
        Outcome::NoAnswer { error, .. } => Response::NoAnswer(error),
        Outcome::Unexpected { text, .. } => Response::Unexpected(text),
    }
}

/// The body of a 200: the order, or the sale, that was asked for.
fn shown(request: &Request, body: &[u8]) -> Option<Response> {
    if let Action::ReadStatus(id) | Action::Cancel(id) = request.action {
        let OrderBody {
            order_id,
            product_id,
            status,
            ..
        } = serde_json::from_slice(body).ok()?;
        let as_asked = order_id == id && product_id == request.product;
        let order = OrderShown {
            id,
            status,
            replayed: false,
        };
        return as_asked.then_some(Response::Order(order));
    }
    serde_json::from_slice(body).ok().map(Response::Sale)
}
