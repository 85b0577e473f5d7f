//! One caller of the API: a buyer or an admin.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::ProductId;
use native_tls::TlsConnector;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::answer::Response;
use crate::contract::judge;
use crate::order::{Action, Sale, order_key, restock_key, user_id};

/// The admin token of services under test.
pub const ADMIN_TOKEN: &str = "only-for-these-tests";

/// Longer than an admin call may wait for Kafka, which is 8 s.
pub const ADMIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Shared: building one reads the system's certificates, and a test asks for metrics with many clients.
static TLS: LazyLock<TlsConnector> =
    LazyLock::new(|| TlsConnector::new().expect("the system's TLS without any setting"));

/// A caller with a pool of keep-alive connections, one for each concurrent request. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    /// A caller of the service under test at `url`.
    pub fn new(url: &str) -> Result<Self> {
        Self::with(url, ADMIN_TOKEN, ADMIN_TIMEOUT)
    }

    /// A caller with this admin token that waits at most `timeout` for an answer. It uses no proxy, follows no
    /// redirect, and does not wait to fill a packet.
    pub fn with(url: &str, admin_token: &str, timeout: Duration) -> Result<Self> {
        let http = ClientBuilder::new()
            .no_proxy()
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .tls_backend_preconfigured(TLS.clone())
            .timeout(timeout)
            .build();
        Ok(Self {
            http: http.context("building an HTTP client")?,
            url: url.trim_end_matches('/').to_owned(),
            token: admin_token.to_owned(),
        })
    }

    /// Asks once, and judges the answer by the contract.
    pub async fn send(&self, sale: &Sale, action: &Action) -> Response {
        let answer = async {
            let answer = self.request(sale, action).send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            // A connection that breaks in the middle of a body is no answer.
            Ok((status, headers, answer.bytes().await?))
        };
        match answer.await {
            Ok((status, headers, body)) => judge(sale, action, status, &headers, &body),
            Err(error) => Response::none(&error),
        }
    }

    /// Sends a buyer's order of one unit once.
    pub async fn order(&self, sale: &Sale, buyer: u32) -> Response {
        let quantity = 1;
        self.send(sale, &Action::Order { buyer, quantity }).await
    }

    /// Sends an order of one unit of any user once, with this key: the status of the answer, and its JSON.
    pub async fn order_of(
        &self,
        product: &ProductId,
        user: &str,
        key: &str,
    ) -> Result<(u16, Value)> {
        let body = json!({"productId": product, "userId": user, "quantity": 1});
        let request = self.http.post(format!("{}/orders", self.url)).json(&body);
        read_json(request.header("Idempotency-Key", key).send().await?).await
    }

    /// As [`Self::order_of`], with a ticket of the sale's queue.
    pub async fn order_with(
        &self,
        product: &ProductId,
        user: &str,
        key: &str,
        ticket: &str,
    ) -> Result<(u16, Value)> {
        let body = json!({"productId": product, "userId": user, "quantity": 1});
        let request = self.http.post(format!("{}/orders", self.url)).json(&body);
        let request = request.header("Fluxgate-Ticket", ticket);
        read_json(request.header("Idempotency-Key", key).send().await?).await
    }

    /// Lets a user without a ticket join the queue of a sale: the status of the answer, and its JSON.
    pub async fn join_queue(&self, product: &ProductId, user: &str) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}/queue/{product}", self.url));
        read_json(request.json(&json!({"userId": user})).send().await?).await
    }

    /// The same, of a user who has a ticket.
    pub async fn join_queue_with(
        &self,
        product: &ProductId,
        user: &str,
        ticket: &str,
    ) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}/queue/{product}", self.url));
        let request = request.header("Fluxgate-Ticket", ticket);
        read_json(request.json(&json!({"userId": user})).send().await?).await
    }

    /// The state of a queue: the status of the answer, and its JSON.
    pub async fn queue_state(&self, product: &ProductId) -> Result<(u16, Value)> {
        let request = self.http.get(format!("{}/queue/{product}", self.url));
        read_json(request.send().await?).await
    }

    /// Changes how a queue is served: the status of the answer, and its JSON.
    pub async fn change_queue(
        &self,
        product: &ProductId,
        key: &str,
        patch: &Value,
    ) -> Result<(u16, Value)> {
        let request = self.http.patch(format!("{}/queue/{product}", self.url));
        let request = request.bearer_auth(&self.token).json(patch);
        read_json(request.header("Idempotency-Key", key).send().await?).await
    }

    /// The place of a ticket: the status of the answer, and its JSON.
    pub async fn queue_place(&self, product: &ProductId, ticket: &str) -> Result<(u16, Value)> {
        let request = self.http.get(format!("{}/queue/{product}/place", self.url));
        read_json(request.header("Fluxgate-Ticket", ticket).send().await?).await
    }

    /// `GET` of any path. Its body has not been read.
    pub async fn get(&self, path: &str) -> Result<reqwest::Response> {
        Ok(self.http.get(format!("{}{path}", self.url)).send().await?)
    }

    /// Asks for something that must be done.
    pub async fn expect_done(&self, sale: &Sale, action: Action) -> Result<()> {
        let response = self.send(sale, &action).await;
        ensure!(response.is_done(), "{action:?}: {response:?}");
        Ok(())
    }

    fn request(&self, sale: &Sale, action: &Action) -> RequestBuilder {
        let get = |path: String| self.http.get(format!("{}{path}", self.url));
        let post = |path: String| self.http.post(format!("{}{path}", self.url));
        let change = |path| {
            let request = post(path).bearer_auth(&self.token);
            request.timeout(ADMIN_TIMEOUT)
        };
        let product = &sale.product;
        match action {
            Action::Order { buyer, quantity } => {
                let user = user_id(*buyer);
                let body = json!({"productId": product, "userId": user, "quantity": quantity});
                let request = post("/orders".to_owned()).json(&body);
                request.header("Idempotency-Key", format!("\"{}\"", order_key(*buyer)))
            }
            Action::ReadStatus(id) => get(format!("/orders/{id}")),
            Action::ReadSale => get(format!("/products/{product}")),
            Action::Cancel(id) => change(format!("/orders/{id}/cancel")),
            Action::Complete(id) => change(format!("/orders/{id}/complete")),
            Action::Restock { number, units } => change(format!("/products/{product}/restock"))
                .header("Idempotency-Key", restock_key(*number))
                .json(&json!({"quantity": units})),
            Action::Close => change(format!("/products/{product}/close")),
        }
    }

    /// Opens a sale. When this returns, orders are accepted.
    pub async fn open(&self, sale: &Sale) -> Result<()> {
        let mut terms = json!({"quantity": sale.total});
        if let Some(holds) = sale.holds {
            terms["holdSeconds"] = holds.seconds.into();
            terms["holdGraceSeconds"] = holds.grace_seconds.into();
        }
        let (status, body) = self.put_terms(&sale.product, &terms).await?;
        let is_open = matches!(status, 200 | 201);
        ensure!(is_open, "opening {}: {status} {body}", sale.product);
        Ok(())
    }

    /// Opens a sale on these terms: the status of the answer, and its JSON.
    pub async fn put_terms(&self, product: &ProductId, terms: &Value) -> Result<(u16, Value)> {
        let request = self.http.put(format!("{}/products/{product}", self.url));
        read_json(request.bearer_auth(&self.token).json(terms).send().await?).await
    }

    /// A request as clients of the original send it: the status of the answer, and its JSON or its
    /// `Location`.
    pub async fn post_as_original(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.header("x-idempotency-key", key);
        }
        let answer = request.send().await?;
        if let Some(location) = answer.headers().get("location") {
            return Ok((answer.status().as_u16(), location.to_str()?.into()));
        }
        read_json(answer).await
    }

    /// # Errors
    /// Unless `/readyz` answers 200; with its answer.
    pub async fn expect_ready(&self) -> Result<()> {
        let answer = self.http.get(format!("{}/readyz", self.url)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == StatusCode::OK, "{status} {text}");
        Ok(())
    }

    /// A metric, summed over the series whose labels begin as in `name`; 0 where there is none yet.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.metrics().await?;
        let series = text.lines().filter_map(|line| line.strip_prefix(name));
        let series = series.filter(|rest| rest.starts_with([' ', '{']));
        Ok(series
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    pub async fn metrics(&self) -> Result<String> {
        let request = self.http.get(format!("{}/metrics", self.url));
        Ok(request.send().await?.error_for_status()?.text().await?)
    }
}

pub(crate) async fn read_json(answer: reqwest::Response) -> Result<(u16, Value)> {
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    let body = serde_json::from_str(&text).with_context(|| format!("{status} {text}"))?;
    Ok((status, body))
}
