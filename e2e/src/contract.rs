//! Whether an answer follows the HTTP contract, and what it means.

use fluxgate_domain::ids::OrderId;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::answer::{OrderShown, REFUSALS, Refusal, Response, SaleShown, Status};
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    code: String,
    order_id: Option<OrderId>,
}

/// What an answer means by the contract.
pub fn judge(
    sale: &Sale,
    action: &Action,
    http: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let understood = match http {
        StatusCode::OK | StatusCode::ACCEPTED => done(sale, action, http, headers, body),
        _ => refused(action, http, headers, body),
    };
    understood.unwrap_or_else(|| {
        let text = format!("{http} {headers:?} {}", String::from_utf8_lossy(body));
        let text = text.chars().take(TEXT_MAX).collect();
        let http = http.as_u16();
        Response::Unexpected { http, text }
    })
}

/// The order or the sale that was asked for.
fn done(
    sale: &Sale,
    action: &Action,
    http: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Response> {
    let is_ok = http == StatusCode::OK;
    if let Action::ReadSale | Action::Restock { .. } | Action::Close = action {
        let shown: SaleShown = serde_json::from_slice(body).ok()?;
        let is_possible = is_ok && shown.remaining <= shown.total;
        return is_possible.then_some(Response::Sale(shown));
    }
    let shown: OrderBody = serde_json::from_slice(body).ok()?;
    let (id, status) = (shown.order_id, shown.status);
    let is_as_asked = match action {
        Action::Order { buyer, quantity } => {
            let location = format!("/orders/{id}");
            let is_theirs = shown.user_id == user_id(*buyer) && shown.quantity == *quantity;
            !is_ok && is_theirs && header(headers, "location") == Some(&location)
        }
        Action::Cancel(own) => is_ok && id == *own && status == Status::Cancelled,
        Action::ReadStatus(own) => is_ok && id == *own,
        _ => false,
    };
    let replayed = match header(headers, "idempotency-replayed") {
        None => false,
        Some("true") => true,
        Some(_) => return None,
    };
    let order = OrderShown {
        id,
        status,
        replayed,
    };
    let is_of_sale = shown.product_id == sale.product.as_str();
    (is_as_asked && is_of_sale).then_some(Response::Order(order))
}

/// A refusal that this request can have, or the order of a retry that is refused.
fn refused(
    action: &Action,
    http: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Response> {
    let is_problem = header(headers, "content-type")?.starts_with("application/problem+json");
    let Problem { code, order_id } = serde_json::from_slice(body).ok().filter(|_| is_problem)?;
    // The retry of an order that holds no units any more is told which order that is.
    let ended = match (&*code, action, http) {
        ("order_cancelled", Action::Order { .. }, StatusCode::CONFLICT) => Some(Status::Cancelled),
        ("order_rejected", Action::Order { .. }, StatusCode::CONFLICT) => Some(Status::Rejected),
        _ => None,
    };
    if let Some((id, status)) = order_id.zip(ended) {
        return Some(Response::Order(OrderShown {
            id,
            status,
            replayed: true,
        }));
    }
    let mut refusals = REFUSALS.iter();
    let (_, _, refusal) = *refusals.find(|it| (it.0, it.1) == (http.as_u16(), &code))?;
    let is_possible = refusal.is_temporary()
        || match action {
            Action::Order { .. } => true,
            Action::ReadStatus(_) | Action::ReadSale => false,
            Action::Cancel(_) | Action::Restock { .. } | Action::Close => {
                refusal == Refusal::SaleClosed
            }
        };
    is_possible.then_some(Response::Refused(refusal))
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

    /// A request, the status of its answer, its headers and body => what it means, and how it has failed.
    const ANSWERS: &str = "
order  202 location                 order buyer-7 accepted  => order
order  202 location,replayed:true   order buyer-7 accepted  => replay
order  202 location,replayed:yes    order buyer-7 accepted  => unexpected
order  202 elsewhere                order buyer-7 accepted  => unexpected
order  202 -                        order buyer-7 accepted  => unexpected
order  202 location                 order buyer-8 accepted  => unexpected
order  202 location                 nothing                 => unexpected
order  200 location                 order buyer-7 accepted  => unexpected

read   200 -                        order buyer-7 confirmed => order
reread 200 -                        order buyer-7 confirmed => unexpected
cancel 200 -                        order buyer-7 cancelled => order
cancel 200 -                        order buyer-7 confirmed => unexpected
look   200 -                        sale 5                  => sale
look   200 -                        sale 6                  => unexpected
close  200 -                        sale -1                 => unexpected

order  409 problem                  ended order_cancelled   => replay
order  409 problem                  ended order_rejected    => replay
order  409 problem                  code order_cancelled    => unexpected
order  422 problem                  ended order_cancelled   => unexpected
order  409 -                        ended order_cancelled   => unexpected
cancel 409 problem                  ended order_cancelled   => unexpected
order  409 problem                  code sold_out           => sold_out
order  503 problem                  code unavailable        => unavailable, status 503
look   503 problem                  code unavailable        => unavailable, status 503
cancel 409 problem                  code sale_closed        => sale_closed
cancel 409 problem                  code sold_out           => unexpected
look   409 problem                  code sale_closed        => unexpected
order  409 -                        code sold_out           => unexpected
order  410 problem                  code sold_out           => unexpected
order  409 problem                  nothing                 => unexpected
order  404 problem                  code unknown_product    => unexpected
order  500 problem                  code internal           => unexpected
order  429 problem                  code rate_limited       => unexpected, status 429
order  502 -                        html                    => unexpected, status 502
";

    fn action(word: &str) -> Action {
        let other = "018bcfe5-6800-8abc-9def-000000000000";
        match word {
            "read" => Action::ReadStatus(ID.parse().unwrap()),
            "reread" => Action::ReadStatus(other.parse().unwrap()),
            "cancel" => Action::Cancel(ID.parse().unwrap()),
            "look" => Action::ReadSale,
            "close" => Action::Close,
            _ => Action::Order {
                buyer: 7,
                quantity: 1,
            },
        }
    }

    fn header(word: &str) -> Option<(HeaderName, String)> {
        let (name, value) = match word {
            "location" => ("location", format!("/orders/{ID}")),
            "elsewhere" => ("location", "/orders/other".to_owned()),
            "problem" => ("content-type", "application/problem+json".to_owned()),
            _ => (
                "idempotency-replayed",
                word.strip_prefix("replayed:")?.to_owned(),
            ),
        };
        Some((name.parse().unwrap(), value))
    }

    fn body(words: &[&str], product: &str) -> String {
        match *words {
            ["order", user, status] => format!(
                r#"{{"orderId":"{ID}","productId":"{product}","userId":"{user}","quantity":1,"status":"{status}"}}"#
            ),
            ["sale", remaining] => format!(r#"{{"total":5,"remaining":{remaining}}}"#),
            ["ended", code] => format!(r#"{{"code":"{code}","orderId":"{ID}"}}"#),
            ["code", code] => format!(r#"{{"code":"{code}"}}"#),
            ["html"] => "<html>".to_owned(),
            _ => "{}".to_owned(),
        }
    }

    #[test]
    fn every_answer_means_what_the_contract_says() {
        let sale = Sale::unique("contract", 1).unwrap();
        for (line, expected) in ANSWERS.lines().filter_map(|line| line.split_once("=>")) {
            let words: Vec<_> = line.split_whitespace().collect();
            let headers = words[2].split(',').filter_map(header);
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            let body = body(&words[3..], sale.product.as_str());
            let (action, http) = (action(words[0]), words[1].parse().unwrap());
            let response = judge(&sale, &action, http, &headers.collect(), body.as_bytes());
            let meaning = match &response {
                Response::Order(order) if order.replayed => "replay",
                Response::Order(_) => "order",
                Response::Sale(_) => "sale",
                Response::Refused(refusal) => refusal.code(),
                Response::NoAnswer(_) => "none",
                Response::Unexpected { .. } => "unexpected",
            };
            let failure = response.failure().map(|it| format!(", {it}"));
            let text = meaning.to_owned() + &failure.unwrap_or_default();
            assert_eq!(text, expected.trim(), "{line}");
        }
    }

    #[test]
    fn only_a_request_without_a_connection_or_over_a_limit_has_certainly_no_effect() {
        assert!(!Failure::Status(429).may_have_ordered() && !Failure::Refused.may_have_ordered());
        assert!(Failure::Status(503).may_have_ordered() && Failure::TimedOut.may_have_ordered());
        assert_eq!(size_of::<Response>(), 24);
    }
}
