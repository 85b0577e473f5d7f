//! Answers to orders, held against the HTTP contract.

use fluxgate_domain::ids::OrderId;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Outcome, Status};
use crate::order::Order;

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

/// What an answer to `order` means, if the contract knows it.
pub fn judge(order: &Order, http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let broken = || {
        let body = String::from_utf8_lossy(body);
        Outcome::Broken {
            http: http.as_u16(),
            text: format!("{http} {headers:?} {body}"),
        }
    };
    if http != StatusCode::ACCEPTED {
        let problem: Option<Value> = serde_json::from_slice(body).ok();
        let code = problem.as_ref().and_then(|it| it.get("code")?.as_str());
        return match (code, header("content-type")) {
            (Some(code), Some(kind)) if kind.starts_with("application/problem+json") => {
                Outcome::Refused {
                    http: http.as_u16(),
                    code: code.to_owned(),
                }
            }
            _ => broken(),
        };
    }
    let Ok(answer) = serde_json::from_slice::<OrderBody>(body) else {
        return broken();
    };
    let as_asked = answer.product_id == order.product
        && answer.user_id == order.user
        && answer.quantity == order.quantity
        && header("location") == Some(&format!("/orders/{}", answer.order_id));
    let replayed = match header("idempotency-replayed") {
        None => false,
        Some("true") => true,
        Some(_) => return broken(),
    };
    if !as_asked {
        return broken();
    }
    Outcome::Accepted {
        id: answer.order_id,
        status: answer.status,
        replayed,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;
    use crate::order::Sale;

    const ID: &str = "018bcfe5-6800-8abc-9def-0123456789ab";

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

    fn is_broken(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Broken { .. })
    }

    #[test]
    fn the_order_that_was_asked_for_is_accepted_marked_or_not() {
        let place = ("location", &*format!("/orders/{ID}"));
        for (headers, marked) in [
            (vec![place], false),
            (vec![place, ("idempotency-replayed", "true")], true),
        ] {
            let Outcome::Accepted { id, replayed, .. } = accepted("buyer-7", &headers) else {
                panic!("not accepted with {headers:?}");
            };
            assert_eq!((id.to_string().as_str(), replayed), (ID, marked));
        }
    }

    #[test]
    fn an_accepted_order_that_is_not_the_one_asked_for_is_broken() {
        let place = ("location", &*format!("/orders/{ID}"));
        assert!(is_broken(&accepted("buyer-8", &[place])));
        assert!(is_broken(&accepted("buyer-7", &[])));
        assert!(is_broken(&accepted(
            "buyer-7",
            &[("location", "/orders/other")]
        )));
        let marked = [place, ("idempotency-replayed", "yes")];
        assert!(is_broken(&accepted("buyer-7", &marked)));
        assert!(is_broken(&answer(202, &[place], "{}")));
    }

    #[test]
    fn a_refusal_is_a_problem_with_a_code() {
        let problem = [("content-type", "application/problem+json")];
        let refused = answer(409, &problem, r#"{"code":"sold_out"}"#);
        assert!(refused.is_sold_out() && !refused.is_undecided());
        assert!(answer(503, &problem, r#"{"code":"unavailable"}"#).is_undecided());
        assert!(is_broken(&answer(409, &problem, "{}")));
        assert!(is_broken(&answer(409, &[], r#"{"code":"sold_out"}"#)));
        assert!(is_broken(&answer(200, &[], "")));
    }
}
