//! A sale with a queue, and the people in it.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::queue::{QueuePosition, QueueSecret, Thresholds, Ticket};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::Client;
use crate::order::{Sale, user_id};

pub const SECRET: &str = "a secret that only these tests use";
/// What instances need that serve queues and pages.
pub const SETTINGS: [(&str, &str); 3] = [
    ("SALE_FEATURES", "queue"),
    ("QUEUE_SECRETS", SECRET),
    ("PAGES", "on"),
];

/// A sale with a queue, at these instances of the API.
#[derive(Debug, Clone)]
pub struct QueuedSale {
    pub sale: Sale,
    pub opens_at: Timestamp,
    pub secret: QueueSecret,
    pub clients: Vec<Client>,
}

/// Somebody who has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Of their user id.
    pub number: u32,
    pub ticket: Ticket,
    pub text: String,
}

impl QueuedSale {
    /// Opens a sale of so many units with these terms of its queue, which starts in `starts_in`.
    pub async fn open(
        clients: Vec<Client>,
        units: u32,
        starts_in: Duration,
        queue: Value,
    ) -> Result<Self> {
        let sale = Sale::unique("queued", units)?;
        let opens_at = Timestamp::now().checked_add(SignedDuration::try_from(starts_in)?)?;
        let opens_at = Timestamp::from_millisecond(opens_at.as_millisecond())?;
        let terms =
            json!({"quantity": units, "perUserLimit": 1, "opensAt": opens_at, "queue": queue});
        let (status, view) = clients[0].put_terms(&sale.product, &terms).await?;
        ensure!(status == 201, "opening the sale: {status} {view}");
        Ok(Self {
            sale,
            opens_at,
            secret: QueueSecret::new(SECRET.as_bytes()).context("long enough")?,
            clients,
        })
    }

    /// The instance that is asked for the `n`th time.
    pub fn client(&self, n: usize) -> &Client {
        &self.clients[n % self.clients.len()]
    }

    /// The state of the queue, as the `n`th instance shows it.
    pub async fn state(&self, n: usize) -> Result<Value> {
        let (status, state) = self.client(n).queue_state(&self.sale.product).await?;
        ensure!(status == 200, "the queue: {status} {state}");
        Ok(state)
    }

    /// Lets a person join at the `n`th instance.
    pub async fn join(&self, n: usize, number: u32) -> Result<Person> {
        let (ticket, text) = self.join_as(n, &user_id(number)).await?;
        Ok(Person {
            number,
            ticket,
            text,
        })
    }

    /// The ticket of a user who joins at the `n`th instance, and its text.
    pub async fn join_as(&self, n: usize, user: &str) -> Result<(Ticket, String)> {
        let product = &self.sale.product;
        let (status, answer) = self.client(n).join_queue(product, user).await?;
        ensure!(status == 201, "joining: {status} {answer}");
        let text = answer["ticket"].as_str().context("a ticket")?.to_owned();
        let ticket = Ticket::verify(&text, &self.secret, product, self.opens_at)?;
        let number = ticket.number.map(NonZeroU64::get);
        ensure!(answer["number"].as_u64() == number, "{answer}");
        Ok((ticket, text))
    }

    /// Waits for the start.
    pub async fn start(&self) {
        let left = self.opens_at.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
    }

    /// What decides the places of those who joined before the start.
    pub fn seed(&self) -> [u8; 32] {
        self.secret.seed(&self.sale.product, self.opens_at)
    }

    pub fn position(&self, ticket: &Ticket) -> QueuePosition {
        QueuePosition::of(ticket, &self.seed())
    }
}

/// The seed in the state of a queue, once it is shown.
pub fn shown_seed(state: &Value) -> Result<Option<[u8; 32]>> {
    let Some(hex) = state["seed"].as_str() else {
        return Ok(None);
    };
    let mut seed = [0; 32];
    hex::decode_to_slice(hex, &mut seed)?;
    Ok(Some(seed))
}

/// How far a queue has been served, by its state.
pub fn thresholds(state: &Value) -> Result<Thresholds> {
    Ok(Thresholds {
        served_below: number(state, "servedBelow")?,
        served_late: number(state, "servedLate")?,
    })
}

/// A number in the state of a queue.
pub fn number(state: &Value, field: &str) -> Result<u64> {
    let number = state[field].as_u64();
    number.with_context(|| format!("{field} of {state}"))
}
