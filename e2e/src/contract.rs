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
    expires_at: Option<String>,
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
        let is_possible = is_ok && shown.remaining + shown.held <= shown.total;
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
        Action::Complete(own) if is_ok => id == *own && status == Status::Completed,
        Action::Complete(own) => {
            id == *own && status.rank() <= 1 && header(headers, "retry-after").is_some()
        }
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
    let is_right = is_as_asked && is_of_sale && has_expiry(sale, action, &shown, replayed);
    is_right.then_some(match action {
        Action::Complete(_) if !is_ok => Response::Pending(order),
        _ => Response::Order(order),
    })
}

/// Whether the order says until when it has to be paid, if it has to be.
fn has_expiry(sale: &Sale, action: &Action, shown: &OrderBody, replayed: bool) -> bool {
    let may_be_held = shown.status.rank() <= 1 && shown.status != Status::Rejected;
    match shown.expires_at {
        Some(_) => sale.holds.is_some() && may_be_held,
        None => sale.holds.is_none() || replayed || !action.is_order(),
    }
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
    let ended = (http == StatusCode::CONFLICT).then(|| ended(&code));
    if let Some(status) = ended.flatten() {
        let (id, is_possible) = match action {
            // The retry of an order that holds no units any more is told which order that is.
            Action::Order { .. } => (order_id, true),
            Action::Complete(id) => (Some(*id), true),
            Action::Cancel(id) => (Some(*id), status != Status::Cancelled),
            _ => (None, false),
        };
        let replayed = action.is_order();
        return id.filter(|_| is_possible).map(|id| {
            Response::Order(OrderShown {
                id,
                status,
                replayed,
            })
        });
    }
    let mut refusals = REFUSALS.iter();
    let (_, _, refusal) = *refusals.find(|it| (it.0, it.1) == (http.as_u16(), &code))?;
    let is_possible = refusal.is_temporary()
        || match action {
            Action::Order { .. } => refusal != Refusal::NoHold,
            Action::ReadStatus(_) | Action::ReadSale => false,
            Action::Complete(_) => refusal == Refusal::NoHold,
            Action::Cancel(_) | Action::Restock { .. } | Action::Close => {
                refusal == Refusal::SaleClosed
            }
        };
    is_possible.then_some(Response::Refused(refusal))
}

/// The status of an order that has ended, by the code of the problem.
fn ended(code: &str) -> Option<Status> {
    match code {
        "order_cancelled" => Some(Status::Cancelled),
        "order_rejected" => Some(Status::Rejected),
        "order_expired" => Some(Status::Expired),
        _ => None,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
