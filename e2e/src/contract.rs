//! Whether an answer follows the HTTP contract, and what it means.

use fluxgate_domain::ids::OrderId;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::{OrderShown, Response, SaleShown, Status};
use crate::order::{Action, Sale, user_id};

/// Characters that are kept of an unexpected answer.
const TEXT_MAX: usize = 1_000;

/// An order, as the API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderBody {
    order_id: OrderId,
    product_id: String,
    user_id: String,
    quantity: u32,
    status: Status,
}

/// What an answer means by the contract.
pub fn judge(
    sale: &Sale,
    action: &Action,
    http: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let understood = match (action, http) {
        (Action::Order { buyer, quantity }, StatusCode::ACCEPTED) => {
            placed(sale, *buyer, *quantity, headers, body)
        }
        (Action::Order { .. }, StatusCode::OK) => None,
        (Action::ReadStatus(id), StatusCode::OK) => shown(sale, *id, body),
        (Action::Cancel(id), StatusCode::OK) => shown(sale, *id, body).filter(|it| {
            it.order()
                .is_some_and(|order| order.status == Status::Cancelled)
        }),
        (Action::ReadSale | Action::Restock { .. } | Action::Close, StatusCode::OK) => {
            possible_sale(body)
        }
        _ => refused(http, headers, body),
    };
    understood.unwrap_or_else(|| {
        let text = format!("{http} {headers:?} {}", String::from_utf8_lossy(body));
        let text = text.chars().take(TEXT_MAX).collect();
        let http = http.as_u16();
        Response::Unexpected { http, text }
    })
}

fn placed(
    sale: &Sale,
    buyer: u32,
    quantity: u32,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Response> {
    let shown = OrderBody::parse(body)?;
    let as_asked = shown.product_id == sale.product.as_str()
        && shown.user_id == user_id(buyer)
        && shown.quantity == quantity
        && header(headers, "location") == Some(&format!("/orders/{}", shown.order_id));
    let replayed = match header(headers, "idempotency-replayed") {
        None => false,
        Some("true") => true,
        Some(_) => return None,
    };
    as_asked.then(|| shown.response(replayed))
}

fn shown(sale: &Sale, id: OrderId, body: &[u8]) -> Option<Response> {
    let shown = OrderBody::parse(body)?;
    let as_asked = shown.order_id == id && shown.product_id == sale.product.as_str();
    as_asked.then(|| shown.response(false))
}

impl OrderBody {
    fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    fn response(&self, replayed: bool) -> Response {
        Response::Order(OrderShown {
            id: self.order_id,
            status: self.status,
            replayed,
        })
    }
}

fn possible_sale(body: &[u8]) -> Option<Response> {
    let sale: SaleShown = serde_json::from_slice(body).ok()?;
    (sale.remaining <= sale.total).then_some(Response::Sale(sale))
}

fn refused(http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let code = problem.get("code")?.as_str()?.into();
    let is_problem = header(headers, "content-type")?.starts_with("application/problem+json");
    let http = http.as_u16();
    is_problem.then_some(Response::Refused { http, code })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;
    use crate::answer::Failure;

    const ID: &str = "018bcfe5-6800-8abc-9def-0123456789ab";
    const PROBLEM: [(&str, &str); 1] = [("content-type", "application/problem+json")];
    const ORDER: Action = Action::Order {
        buyer: 7,
        quantity: 1,
    };

    fn answer(action: &Action, http: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let sale = Sale::unique("contract", 1).unwrap();
        let body = body.replace("PRODUCT", sale.product.as_str());
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        let http = StatusCode::from_u16(http).unwrap();
        judge(&sale, action, http, &headers.collect(), body.as_bytes())
    }

    fn order(user: &str, status: &str) -> String {
        format!(
            r#"{{"orderId":"{ID}","productId":"PRODUCT","userId":"{user}","quantity":1,"status":"{status}"}}"#
        )
    }

    #[test]
    fn only_the_order_that_was_asked_for_is_accepted_marked_or_not() {
        let location = ("location", &*format!("/orders/{ID}"));
        let marked = |value| ("idempotency-replayed", value);
        let (own, others) = (order("buyer-7", "accepted"), order("buyer-8", "accepted"));
        for (http, body, headers, replayed) in [
            (202, &*own, vec![location], Some(false)),
            (202, &*own, vec![location, marked("true")], Some(true)),
            (202, &*own, vec![location, marked("yes")], None),
            (202, &*own, vec![("location", "/orders/other")], None),
            (202, &*own, vec![], None),
            (202, &*others, vec![location], None),
            (202, "{}", vec![location], None),
            (200, &*own, vec![location], None),
        ] {
            let response = answer(&ORDER, http, &headers, body);
            let shown = response.order().map(|it| it.replayed);
            assert_eq!(shown, replayed, "{http} {headers:?} {response:?}");
        }
    }

    #[test]
    fn reads_and_admin_calls_show_the_order_or_a_possible_sale() {
        let (id, other) = (ID.parse().unwrap(), "018bcfe5-6800-8abc-9def-000000000000");
        let order = |status| order("buyer-7", status);
        let sale = |remaining| format!(r#"{{"total":5,"remaining":{remaining}}}"#);
        for (action, body, is_right) in [
            (Action::ReadStatus(id), order("confirmed"), true),
            (
                Action::ReadStatus(other.parse().unwrap()),
                order("confirmed"),
                false,
            ),
            (Action::Cancel(id), order("cancelled"), true),
            (Action::Cancel(id), order("confirmed"), false),
            (Action::ReadSale, sale(5), true),
            (Action::ReadSale, sale(6), false),
            (Action::Close, sale(-1), false),
        ] {
            let response = answer(&action, 200, &[], &body);
            assert_eq!(!response.is_undecided(), is_right, "{response:?}");
        }
    }

    #[test]
    fn a_refusal_is_a_problem_with_a_code_and_sent_again_after_429_and_5xx() {
        let refused = answer(&ORDER, 409, &PROBLEM, r#"{"code":"sold_out"}"#);
        assert!(refused.is_refused("sold_out") && !refused.is_undecided());
        let (code, status) = (r#"{"code":"x"}"#, |http| Some(Failure::Status(http)));
        for (http, headers, body, failure, is_problem) in [
            (409, &PROBLEM[..], code, None, true),
            (409, &PROBLEM, "{}", None, false),
            (409, &[], code, None, false),
            (404, &PROBLEM, code, None, true),
            (429, &PROBLEM, code, status(429), true),
            (503, &PROBLEM, code, status(503), true),
            // A proxy's own answer.
            (502, &[], "<html>", status(502), false),
            (500, &[], "<html>", None, false),
        ] {
            let response = answer(&ORDER, http, headers, body);
            assert_eq!(response.failure(), failure, "{response:?}");
            assert_eq!(response.is_refused("x"), is_problem, "{response:?}");
        }
        assert!(!Failure::Status(429).may_have_ordered());
        assert!(Failure::Status(503).may_have_ordered() && Failure::TimedOut.may_have_ordered());
        assert_eq!(size_of::<Response>(), 24);
    }
}
