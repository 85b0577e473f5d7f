//! Asks the copies of the API and takes down what they answer.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::history::{Ask, Asked, Line, Recorder, Reply};
use crate::answer::Outcome;
use crate::client::ADMIN_TOKEN;
use crate::contract::{OrderBody, judge};
use crate::http;
use crate::order::{Facts, Order};

/// Longest a buyer waits for an answer: a frozen copy must not collect all of them.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest an administrator waits: a change waits up to 8 seconds for Kafka.
const ADMIN_PATIENCE: Duration = Duration::from_secs(10);

/// A caller of all copies. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Caller {
    http: reqwest::Client,
    copies: Vec<String>,
    history: Recorder,
}

#[derive(Deserialize)]
struct SaleBody {
    total: i64,
    remaining: i64,
    status: String,
}

impl Caller {
    /// A caller of the copies at these URLs.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(copies: Vec<String>, history: Recorder) -> Result<Self> {
        let http = http::client().build().context("building an HTTP client")?;
        Ok(Self {
            http,
            copies,
            history,
        })
    }

    /// How many copies there are.
    pub fn copies(&self) -> usize {
        self.copies.len()
    }

    /// Asks once.
    pub async fn ask(&self, copy: usize, ask: Ask) -> Reply {
        let copy = copy % self.copies.len();
        let sent_us = self.history.now_us();
        let reply = self.reply(copy, &ask).await;
        self.history.add(Line::Asked(Asked {
            ask,
            copy,
            sent_us,
            done_us: self.history.now_us(),
            reply: reply.clone(),
        }));
        reply
    }

    async fn reply(&self, copy: usize, ask: &Ask) -> Reply {
        let answer = async {
            let answer = self.request(copy, ask).send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            // A connection that breaks in the middle of a body is no answer.
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        };
        match answer.await {
            Ok((status, headers, body)) => read(ask, status, &headers, &body),
            Err(error) => Reply::Silence {
                error: format!("{:#}", anyhow::Error::new(error)),
            },
        }
    }

    fn request(&self, copy: usize, ask: &Ask) -> RequestBuilder {
        let url = &self.copies[copy];
        let get = |path: String| self.http.get(format!("{url}{path}")).timeout(PATIENCE);
        let change = |path: String| {
            let request = self.http.post(format!("{url}{path}"));
            request.bearer_auth(ADMIN_TOKEN).timeout(ADMIN_PATIENCE)
        };
        match ask {
            Ask::Order {
                product,
                user,
                key,
                quantity,
            } => self
                .http
                .post(format!("{url}/orders"))
                .timeout(PATIENCE)
                .header("Idempotency-Key", format!("\"{key}\""))
                .json(&json!({"productId": product, "userId": user, "quantity": quantity})),
            Ask::Status { id, .. } => get(format!("/orders/{id}")),
            Ask::Sale { product } => get(format!("/products/{product}")),
            Ask::Cancel { id, .. } => change(format!("/orders/{id}/cancel")),
            Ask::Restock {
                product,
                key,
                units,
            } => change(format!("/products/{product}/restock"))
                .header("Idempotency-Key", key)
                .json(&json!({"quantity": units})),
            Ask::Close { product } => change(format!("/products/{product}/close")),
        }
    }
}

/// What an answer says, if the contract knows it.
fn read(ask: &Ask, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Reply {
    let order = match ask {
        Ask::Order {
            product,
            user,
            key,
            quantity,
        } => Order::from(Facts {
            product: product.clone(),
            user: user.clone(),
            quantity: *quantity,
            key: key.clone(),
        }),
        _ if status == StatusCode::OK => return shown(ask, body),
        // Only for the problem that this must be: nobody ordered anything.
        _ => Order::from(Facts::default()),
    };
    match judge(&order, status, headers, body) {
        Outcome::Accepted {
            id,
            status,
            replayed,
        } => Reply::Order {
            id,
            status,
            replayed,
        },
        Outcome::Refused { http, code } => Reply::Refused { http, code },
        Outcome::Silence(error) => Reply::Silence { error },
        Outcome::Broken { text, .. } => Reply::Broken { text },
    }
}

/// The body of a 200.
fn shown(ask: &Ask, body: &[u8]) -> Reply {
    let broken = || Reply::Broken {
        text: String::from_utf8_lossy(body).into_owned(),
    };
    match ask {
        Ask::Status { product, id } | Ask::Cancel { product, id } => {
            match serde_json::from_slice::<OrderBody>(body) {
                Ok(order) if order.order_id == *id && order.product_id == *product => {
                    Reply::Order {
                        id: *id,
                        status: order.status,
                        replayed: false,
                    }
                }
                _ => broken(),
            }
        }
        _ => match serde_json::from_slice::<SaleBody>(body) {
            Ok(sale) => Reply::Sale {
                total: sale.total,
                remaining: sale.remaining,
                status: sale.status,
            },
            Err(_) => broken(),
        },
    }
}
