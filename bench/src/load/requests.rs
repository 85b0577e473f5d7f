use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use jiff::Timestamp;

use super::connection::Answer;

/// A sale without units left.
pub const SOLD_OUT: &str = "sold-out";

/// The run of orders that can be asked for again.
const KNOWN: &str = "known";

/// Numbered requests, from 0.
#[derive(Debug, Clone)]
pub struct Requests {
    /// The expected answer; it also decides what is requested.
    pub want: Want,
    /// Products or ids of orders, in turn.
    pub of: Vec<String>,
    /// Only one request in this many is of these, the others are orders of [`SOLD_OUT`]; all of them if 0.
    pub every: u64,
    /// Of an order: its key is the run and its number.
    pub run: String,
    /// This many users order in turn.
    pub users: u64,
    /// Header lines of each user's orders; without any: none.
    pub user_headers: Vec<String>,
    /// After this many requests there are no more, or they begin again.
    pub count: u64,
    pub again: bool,
}

/// The expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Accepted,
    SoldOut,
    Replayed,
    Confirmed,
    Product,
    Queue,
    Joined,
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
            Self::Queue => (200, has(r#""state":"open""#)),
            Self::Joined => (201, has(r#""ticket""#)),
        };
        answer.status == status && text
    }
}

impl Requests {
    /// New orders of several sales in turn, which have units left.
    pub fn orders(of: Vec<String>, run: &str) -> Self {
        Self {
            want: Want::Accepted,
            of,
            every: 1,
            run: run.to_owned(),
            users: 1_000,
            user_headers: Vec::new(),
            count: u64::MAX,
            again: false,
        }
    }

    /// The orders of a flash sale: one in a hundred is for a sale with units left, the others are for [`SOLD_OUT`].
    pub fn mixed(open: &str, run: &str) -> Self {
        Self {
            every: 100,
            ..Self::orders(vec![open.to_owned()], run)
        }
    }

    /// New orders that can be requested again, each of another user: see [`order_id`].
    pub fn known(product: &str) -> Self {
        Self {
            users: u64::MAX,
            ..Self::orders(vec![product.to_owned()], KNOWN)
        }
    }

    /// `GET /products/{id}`.
    pub fn product(product: &str) -> Self {
        Self {
            want: Want::Product,
            ..Self::known(product)
        }
    }

    /// `GET /queue/{product}`.
    pub fn queue(product: &str) -> Self {
        Self {
            want: Want::Queue,
            ..Self::known(product)
        }
    }

    /// So many people, each of whom joins the queue of a sale.
    pub fn joins(product: &str, people: u64) -> Self {
        Self {
            want: Want::Joined,
            count: people,
            ..Self::known(product)
        }
    }

    /// Writes a request and returns the expected answer; `None` if there are no more requests.
    pub fn write(&self, number: u64, host: SocketAddr, out: &mut String) -> Option<Want> {
        let number = match number < self.count {
            true => number,
            false if self.again => number % self.count,
            false => return None,
        };
        let (of, want) = match number.checked_rem(self.every) {
            Some(0) => {
                let turn = number / self.every % self.of.len() as u64;
                (self.of[turn as usize].as_str(), self.want)
            }
            _ => (SOLD_OUT, Want::SoldOut),
        };
        out.clear();
        match want {
            Want::Product => get(out, host, "products", of),
            Want::Confirmed => get(out, host, "orders", of),
            Want::Queue => get(out, host, "queue", of),
            Want::Joined => join(out, host, of, number),
            _ => {
                let user = number % self.users;
                let headers = self.user_headers.get(user as usize);
                let headers = headers.map_or("", String::as_str);
                order(out, host, of, user, &self.run, number, headers);
            }
        }
        Some(want)
    }
}

/// The id of order `number` of a sale whose orders were placed as [`Requests::known`].
pub fn order_id(product: &str, opened_at: Timestamp, number: u64) -> Result<OrderId> {
    let product = ProductId::parse(product)?;
    let user = UserId::parse(&format!("user-{number}"))?;
    let key = IdempotencyKey::parse(&format!("{KNOWN}-{number}"))?;
    let (tag, opened_at_ms) = (Tag::of(&product), opened_at.as_millisecond());
    Ok(OrderId::derive(&product, tag, opened_at_ms, &user, &key))
}

fn order(
    out: &mut String,
    host: SocketAddr,
    product: &str,
    user: u64,
    run: &str,
    number: u64,
    headers: &str,
) {
    const AROUND: usize = r#"{"productId":"","userId":"user-","quantity":1}"#.len();
    let user_digits = user.checked_ilog10().unwrap_or_default() as usize + 1;
    let length = AROUND + product.len() + user_digits;
    let _ = write!(
        out,
        "POST /orders HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         {headers}Idempotency-Key: {run}-{number}\r\nContent-Length: {length}\r\n\r\n\
         {{\"productId\":\"{product}\",\"userId\":\"user-{user}\",\"quantity\":1}}"
    );
}

fn join(out: &mut String, host: SocketAddr, product: &str, user: u64) {
    let body = format!("{{\"userId\":\"user-{user}\"}}");
    let _ = write!(
        out,
        "POST /queue/{product} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
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
        let once = wants(Requests {
            want: Replayed,
            count: 2,
            ..Requests::known("p")
        });
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
