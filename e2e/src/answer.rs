//! Answers to orders, and whether they follow the HTTP contract.

use std::fmt;

use fluxgate_domain::ids::OrderId;
pub use fluxgate_domain::order_status::OrderStatus as Status;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::order::Order;

/// The answer to one try of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 202, with the order that was asked for.
    Accepted {
        id: OrderId,
        status: Status,
        /// Whether it was marked as the answer to a retry.
        replayed: bool,
    },
    /// A problem with its code.
    Refused { http: u16, code: String },
    /// No answer: the order may or may not exist.
    NoAnswer { failure: Failure, error: String },
    /// An answer that is not in the contract, with headers and body.
    Unexpected { http: u16, text: String },
}

/// Why a try failed, so that its buyer sends the order again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection.
    Refused,
    /// The connection broke before the whole answer was there.
    Reset,
    /// No answer in time.
    TimedOut,
    /// 429 or 5xx, from the API or from a proxy that could not reach it.
    Status(u16),
}

impl Outcome {
    /// The order, where the answer names one.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Accepted { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whether it is a problem with this code.
    pub fn is_refused(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// A request without an answer.
    pub fn no_answer(error: reqwest::Error) -> Self {
        let failure = if error.is_timeout() {
            Failure::TimedOut
        } else if error.is_connect() {
            Failure::Refused
        } else {
            Failure::Reset
        };
        let error = format!("{:#}", anyhow::Error::new(error));
        Self::NoAnswer { failure, error }
    }

    /// Why the order has to be sent again; nothing where the answer is final.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::NoAnswer { failure, .. } => Some(*failure),
            Self::Refused { http, .. } if *http == 429 || *http >= 500 => {
                Some(Failure::Status(*http))
            }
            // A proxy's answer for an API that it cannot reach is no problem document.
            Self::Unexpected { http, .. } if (502..=504).contains(http) => {
                Some(Failure::Status(*http))
            }
            _ => None,
        }
    }
}

impl Failure {
    /// Whether the order may exist all the same.
    pub fn may_have_ordered(self) -> bool {
        !matches!(self, Self::Refused | Self::Status(429))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::TimedOut => f.write_str("timeout"),
            Self::Status(http) => write!(f, "status {http}"),
        }
    }
}

/// An order, as the API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    pub order_id: OrderId,
    pub product_id: String,
    pub user_id: String,
    pub quantity: u32,
    pub status: Status,
}

/// What an answer to `order` means by the contract.
pub fn judge(order: &Order, http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let understood = if http == StatusCode::ACCEPTED {
        accepted(order, headers, body)
    } else {
        refused(http, headers, body)
    };
    understood.unwrap_or_else(|| Outcome::Unexpected {
        http: http.as_u16(),
        text: format!("{http} {headers:?} {}", String::from_utf8_lossy(body)),
    })
}

fn accepted(order: &Order, headers: &HeaderMap, body: &[u8]) -> Option<Outcome> {
    let answer: OrderBody = serde_json::from_slice(body).ok()?;
    let as_asked = answer.product_id == order.product
        && answer.user_id == order.user
        && answer.quantity == order.quantity
        && header(headers, "location") == Some(&format!("/orders/{}", answer.order_id));
    let replayed = match header(headers, "idempotency-replayed") {
        None => false,
        Some("true") => true,
        Some(_) => return None,
    };
    as_asked.then_some(Outcome::Accepted {
        id: answer.order_id,
        status: answer.status,
        replayed,
    })
}

fn refused(http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Outcome> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let code = problem.get("code")?.as_str()?.to_owned();
    let is_problem = header(headers, "content-type")?.starts_with("application/problem+json");
    is_problem.then_some(Outcome::Refused {
        http: http.as_u16(),
        code,
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;
    use crate::order::Sale;

    const ID: &str = "018bcfe5-6800-8abc-9def-0123456789ab";
    const PROBLEM: [(&str, &str); 1] = [("content-type", "application/problem+json")];

    fn answer(http: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
        let order = Sale::unique("contract", 1).unwrap().order_of(7);
        let body = body.replace("PRODUCT", &order.product);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        let http = StatusCode::from_u16(http).unwrap();
        judge(&order, http, &headers.collect(), body.as_bytes())
    }

    fn accepted(user: &str, headers: &[(&str, &str)]) -> Outcome {
        let body = format!(
            r#"{{"orderId":"{ID}","productId":"PRODUCT","userId":"{user}","quantity":1,"status":"accepted"}}"#
        );
        answer(202, headers, &body)
    }

    fn is_unexpected(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Unexpected { .. })
    }

    #[test]
    fn the_order_that_was_asked_for_is_accepted_marked_or_not() {
        let location = ("location", &*format!("/orders/{ID}"));
        for (headers, marked) in [
            (vec![location], false),
            (vec![location, ("idempotency-replayed", "true")], true),
        ] {
            let Outcome::Accepted { id, replayed, .. } = accepted("buyer-7", &headers) else {
                panic!("not accepted with {headers:?}");
            };
            assert_eq!((id.to_string().as_str(), replayed), (ID, marked));
        }
    }

    #[test]
    fn an_accepted_order_that_is_not_the_one_asked_for_is_unexpected() {
        let location = ("location", &*format!("/orders/{ID}"));
        for outcome in [
            accepted("buyer-8", &[location]),
            accepted("buyer-7", &[]),
            accepted("buyer-7", &[("location", "/orders/other")]),
            accepted("buyer-7", &[location, ("idempotency-replayed", "yes")]),
            answer(202, &[location], "{}"),
        ] {
            assert!(is_unexpected(&outcome), "{outcome:?}");
        }
    }

    #[test]
    fn a_refusal_is_a_problem_with_a_code() {
        let refused = answer(409, &PROBLEM, r#"{"code":"sold_out"}"#);
        assert!(refused.is_refused("sold_out") && refused.failure().is_none());
        assert!(is_unexpected(&answer(409, &PROBLEM, "{}")));
        assert!(is_unexpected(&answer(409, &[], r#"{"code":"sold_out"}"#)));
        assert!(is_unexpected(&answer(200, &[], "")));
    }

    #[test]
    fn an_order_is_sent_again_after_429_5xx_and_a_proxys_own_answer() {
        let code = r#"{"code":"unavailable"}"#;
        let failures = [
            answer(429, &PROBLEM, code),
            answer(503, &PROBLEM, code),
            answer(502, &[], "<html>"),
            answer(500, &[], "<html>"),
            answer(404, &PROBLEM, code),
        ]
        .map(|it| it.failure());
        let status = |http| Some(Failure::Status(http));
        assert_eq!(
            failures,
            [status(429), status(503), status(502), None, None]
        );
        assert!(!Failure::Status(429).may_have_ordered());
        assert!(Failure::Status(503).may_have_ordered() && Failure::TimedOut.may_have_ordered());
    }
}
