use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use jiff::Timestamp;

use super::connection::Answer;
use crate::lab::SOLD_OUT;

/// Numbered requests, from 0. Cheap to clone.
#[derive(Clone)]
pub struct Requests(Arc<Write>);

/// Writes a request and returns the expected answer; `None` if there are no more requests.
type Write = dyn Fn(u64, SocketAddr, &mut String) -> Option<Want> + Send + Sync;

/// The expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Accepted,
    SoldOut,
    Replayed,
    Confirmed,
    Product,
}

impl Want {
    /// Checks status and body, which are the same for every build.
    pub fn is_met_by(self, answer: &Answer<'_>) -> bool {
        let has = |text: &str| answer.body.contains(text);
        let (status, text) = match self {
            // `reserved` is a 202 too: Kafka took longer than PUBLISH_WAIT_MS.
            Self::Accepted => (
                202,
                has(r#""status":"accepted""#) || has(r#""status":"reserved""#),
            ),
            Self::SoldOut => (409, has(r#""code":"sold_out""#)),
            Self::Replayed => (202, answer.head.contains("idempotency-replayed: true")),
            Self::Confirmed => (200, has(r#""status":"confirmed""#)),
            Self::Product => (200, has(r#""productId""#)),
        };
        answer.status == status && text
    }
}

const KNOWN_RUN: &str = "known";

impl Requests {
    /// New orders of a sale with units left.
    pub fn orders(product: &str, run: &str) -> Self {
        Self::orders_of(vec![product.to_owned()], run)
    }

    /// New orders of several sales in turn.
    pub fn orders_of(products: Vec<String>, run: &str) -> Self {
        let run = run.to_owned();
        Self(Arc::new(move |number, host, out| {
            let product = &products[(number % products.len() as u64) as usize];
            order(out, host, product, number % 1_000, &run, number);
            Some(Want::Accepted)
        }))
    }

    /// The orders of a flash sale: one in a hundred is for a sale with units left, the others are for [`SOLD_OUT`].
    pub fn mixed(open: &str, run: &str) -> Self {
        Self::mixed_of(open, run, 100, 1_000)
    }

    /// New orders of [`SOLD_OUT`].
    pub fn sold_out(run: &str) -> Self {
        Self::mixed_of("", run, 0, 1_000)
    }

    /// Orders of which one in `taken_every` is accepted, by this many users in turn.
    pub fn mixed_of(open: &str, run: &str, taken_every: u64, users: u64) -> Self {
        let (open, run) = (open.to_owned(), run.to_owned());
        Self(Arc::new(move |number, host, out| {
            let (product, want) = match number.checked_rem(taken_every) {
                Some(0) => (open.as_str(), Want::Accepted),
                _ => (SOLD_OUT, Want::SoldOut),
            };
            order(out, host, product, number % users, &run, number);
            Some(want)
        }))
    }

    /// New orders that can be requested again, each of another user: see [`order_id`].
    pub fn known(product: &str) -> Self {
        let product = product.to_owned();
        Self(Arc::new(move |number, host, out| {
            order(out, host, &product, number, KNOWN_RUN, number);
            Some(Want::Accepted)
        }))
    }

    /// The first `count` orders that were placed as [`Requests::known`]: in turn, or each once.
    pub fn replays(product: &str, count: u64, once: bool) -> Self {
        let product = product.to_owned();
        Self(Arc::new(move |number, host, out| {
            let number = turn(number, count, once)?;
            order(out, host, &product, number, KNOWN_RUN, number);
            Some(Want::Replayed)
        }))
    }

    /// The status of orders: in turn, or each once.
    pub fn statuses(ids: Vec<String>, once: bool) -> Self {
        Self(Arc::new(move |number, host, out| {
            let id = &ids[turn(number, ids.len() as u64, once)? as usize];
            get(out, host, "orders", id);
            Some(Want::Confirmed)
        }))
    }

    /// `GET /products/{id}`.
    pub fn product(product: &str) -> Self {
        let product = product.to_owned();
        Self(Arc::new(move |_, host, out| {
            get(out, host, "products", &product);
            Some(Want::Product)
        }))
    }

    pub fn write(&self, number: u64, host: SocketAddr, out: &mut String) -> Option<Want> {
        out.clear();
        (self.0)(number, host, out)
    }
}

/// The id of order `number` of a sale whose orders were placed as [`Requests::known`].
pub fn order_id(product: &str, opened_at: Timestamp, number: u64) -> Result<OrderId> {
    let product = ProductId::parse(product)?;
    let user = UserId::parse(&format!("user-{number}"))?;
    let key = IdempotencyKey::parse(&format!("{KNOWN_RUN}-{number}"))?;
    let (tag, opened_at_ms) = (Tag::of(&product), opened_at.as_millisecond());
    Ok(OrderId::derive(&product, tag, opened_at_ms, &user, &key))
}

fn turn(number: u64, count: u64, once: bool) -> Option<u64> {
    (!once || number < count).then(|| number % count)
}

fn order(out: &mut String, host: SocketAddr, product: &str, user: u64, run: &str, number: u64) {
    const AROUND: usize = r#"{"productId":"","userId":"user-","quantity":1}"#.len();
    let user_digits = user.checked_ilog10().unwrap_or_default() as usize + 1;
    let length = AROUND + product.len() + user_digits;
    let _ = write!(
        out,
        "POST /orders HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {run}-{number}\r\nContent-Length: {length}\r\n\r\n\
         {{\"productId\":\"{product}\",\"userId\":\"user-{user}\",\"quantity\":1}}"
    );
}

fn get(out: &mut String, host: SocketAddr, what: &str, id: &str) {
    let _ = write!(out, "GET /{what}/{id} HTTP/1.1\r\nHost: {host}\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(requests: &Requests, number: u64) -> (String, Option<Want>) {
        let mut out = String::new();
        let want = requests.write(number, ([127, 0, 0, 1], 80).into(), &mut out);
        (out, want)
    }

    #[test]
    fn the_length_of_a_body_is_right() {
        for number in [0, 9, 10, 12_345] {
            let (text, _) = written(&Requests::known("p"), number);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length = head.rsplit_once("Content-Length: ").unwrap().1;
            assert_eq!(length.parse::<usize>().unwrap(), body.len(), "{text}");
        }
    }

    #[test]
    fn the_first_of_every_hundred_is_taken_and_each_once_ends_after_the_last() {
        use Want::{Accepted, Replayed, SoldOut};
        let wants = |requests: Requests| [0, 1, 100].map(|n| written(&requests, n).1);
        let mixed = wants(Requests::mixed("p", "run"));
        assert_eq!(mixed, [Some(Accepted), Some(SoldOut), Some(Accepted)]);
        let once = wants(Requests::replays("p", 2, true));
        assert_eq!(once, [Some(Replayed), Some(Replayed), None]);
    }

    #[test]
    fn an_answer_is_judged_by_status_and_body() {
        let judge = |want: Want, status, body| {
            want.is_met_by(&Answer {
                status,
                head: "",
                body,
            })
        };
        assert!(judge(Want::SoldOut, 409, r#"{"code":"sold_out"}"#));
        assert!(!judge(Want::SoldOut, 409, r#"{"code":"sale_closed"}"#));
        assert!(!judge(Want::Accepted, 409, r#"{"code":"sold_out"}"#));
    }
}
