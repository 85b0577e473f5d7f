//! One caller of the API: a buyer, or whoever runs the sale.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::{OrderId, ProductId};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::{Answer, Outcome, Status};
use crate::contract::{OrderBody, judge};
use crate::http;
use crate::order::{Order, Sale};

/// What services under test take for the administrator's word.
pub const ADMIN_TOKEN: &str = "only-for-tests";

/// Longest a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A caller with a keep-alive connection of its own; requests at the same time open more.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    /// A caller of the service at `url`, one of those under test.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(url: &str) -> Result<Self> {
        Self::with(url, ADMIN_TOKEN, PATIENCE)
    }

    /// A caller of the service at `url` who knows its administrator's word and waits so long for an answer.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn with(url: &str, admin_token: &str, patience: Duration) -> Result<Self> {
        let http = http::client()
            .timeout(patience)
            .build()
            .context("building an HTTP client")?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            token: admin_token.to_owned(),
        })
    }

    /// Sends an order once.
    pub async fn order(&self, order: &Order) -> Answer {
        let sent_at = Instant::now();
        let outcome = match self.ask_for(order).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Silence(format!("{:#}", anyhow::Error::new(error))),
        };
        Answer {
            order: order.clone(),
            sent_at,
            latency: sent_at.elapsed(),
            outcome,
        }
    }

    /// Sends an order once.
    ///
    /// # Errors
    /// When no answer comes back, with the reason.
    pub async fn ask_for(&self, order: &Order) -> reqwest::Result<Outcome> {
        let request = self
            .http
            .post(format!("{}/orders", self.url))
            .header("Idempotency-Key", format!("\"{}\"", order.key))
            .json(&json!({
                "productId": order.product,
                "userId": order.user,
                "quantity": order.quantity,
            }));
        let (http, headers, body) = read(request.send().await).await?;
        Ok(judge(order, http, &headers, &body))
    }

    /// Opens a sale. When this returns, orders are accepted.
    ///
    /// # Errors
    /// With the answer, when it is not that the sale is open as asked.
    pub async fn open(&self, sale: &Sale) -> Result<()> {
        let answer = self
            .http
            .put(format!("{}/products/{}", self.url, sale.product))
            .bearer_auth(&self.token)
            .json(&json!({"quantity": sale.total}))
            .send()
            .await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(
            status == StatusCode::CREATED || status == StatusCode::OK,
            "opening {}: {status} {text}",
            sale.product
        );
        Ok(())
    }

    /// What comes of opening a sale: the status of the answer, and its JSON.
    ///
    /// # Errors
    /// When there is no answer, or one that is not JSON.
    pub async fn put(&self, product: &ProductId, quantity: u32) -> Result<(u16, Value)> {
        self.put_terms(product, &json!({"quantity": quantity}))
            .await
    }

    /// The same with more terms than the quantity.
    ///
    /// # Errors
    /// When there is no answer, or one that is not JSON.
    pub async fn put_terms(&self, product: &ProductId, terms: &Value) -> Result<(u16, Value)> {
        let request = self.http.put(format!("{}/products/{product}", self.url));
        let request = request.bearer_auth(&self.token);
        let answer = request.json(terms).send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        let body = serde_json::from_str(&text).with_context(|| format!("{status} {text}"))?;
        Ok((status, body))
    }

    /// How far an order is.
    ///
    /// # Errors
    /// With the answer, when it is none of this order.
    pub async fn status(&self, id: OrderId) -> Result<Status> {
        let url = format!("{}/orders/{id}", self.url);
        let answer = self.http.get(url).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(
            status == StatusCode::OK,
            "asking for order {id}: {status} {text}"
        );
        let body: OrderBody = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(
            body.order_id == id,
            "asked for order {id}, answered with {text}"
        );
        Ok(body.status)
    }

    /// An admin's change: the status of the answer, and its JSON.
    ///
    /// # Errors
    /// When there is no answer, or one that is not JSON.
    pub async fn change(&self, path: &str, key: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        let request = request
            .bearer_auth(&self.token)
            .header("Idempotency-Key", key);
        let answer = request.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        let body = serde_json::from_str(&text).with_context(|| format!("{status} {text}"))?;
        Ok((status, body))
    }

    /// A request as clients of the original send it: the status of the answer, and its JSON or where
    /// it leads to.
    ///
    /// # Errors
    /// When there is no answer, or one that is not JSON.
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
        let status = answer.status().as_u16();
        if let Some(place) = answer.headers().get("location") {
            return Ok((status, place.to_str()?.into()));
        }
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).with_context(|| format!("{status} {text}"))?;
        Ok((status, body))
    }

    /// # Errors
    /// Unless `/readyz` answers 200; with what it says instead.
    pub async fn expect_ready(&self) -> Result<()> {
        let answer = self.http.get(format!("{}/readyz", self.url)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == StatusCode::OK, "{status} {text}");
        Ok(())
    }

    /// One of its metrics, summed over all labels; 0 where it has no such series yet.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.metrics().await?;
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self
            .http
            .get(format!("{}/metrics", self.url))
            .send()
            .await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}

/// The whole answer. A connection that breaks in the middle of a body is no answer.
async fn read(
    sent: reqwest::Result<Response>,
) -> reqwest::Result<(StatusCode, HeaderMap, Vec<u8>)> {
    let answer = sent?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok((status, headers, answer.bytes().await?.to_vec()))
}
