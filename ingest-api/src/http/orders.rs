use actix_web::http::header::{CACHE_CONTROL, HeaderName, LOCATION, RETRY_AFTER};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::{OrderId, ProductId, Quantity, UserId};
use fluxgate_domain::order_facts::CancelledBy;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::RateLimit;
use super::Services;
use super::problem::{Kind, Problem};
use super::queue::queue_pass;
use super::request::{idempotency_key, json_body};
use crate::orders::{Completion, Order, OrderStatusReader, PlaceOrder, Refusal, StatusError};
use crate::sales::{ChangeError, SaleLookupError};

/// The header that marks the answer to a retry.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Unknown fields are refused: an order with a misspelt `quantity` would buy one unit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrderRequest {
    product_id: ProductId,
    /// A buyer's token names the user, too.
    #[serde(default, deserialize_with = "named")]
    user_id: Option<UserId>,
    #[serde(default = "one")]
    quantity: Quantity,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// Reads a user that is named; `null` names nobody and is refused.
pub fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserId>, D::Error> {
    UserId::deserialize(deserializer).map(Some)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderAnswer<'a> {
    order_id: OrderId,
    product_id: &'a str,
    user_id: &'a str,
    quantity: Quantity,
    status: OrderStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// `POST /orders`
pub async fn place(
    request: HttpRequest,
    services: Data<Services>,
    place_order: Data<PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    let caller = services.ordering_caller(&request)?;
    let body: OrderRequest = json_body(&request)?;
    let pass = queue_pass(&request, &caller);
    let order = Order {
        user: services.ordering_user(caller, body.user_id)?,
        key: idempotency_key(&request)?,
        product: body.product_id,
        quantity: body.quantity,
        pass,
    };
    let placement = place_order.place(&order).await;
    let limits = placement.quotas.as_deref().map(RateLimit::of_sale);
    let limits = limits.unwrap_or_default();
    let placed = match placement.outcome {
        Ok(placed) => placed,
        Err(refusal) => {
            let held = match refusal {
                Refusal::SoldOut | Refusal::Insufficient => held(&order, &services).await,
                _ => None,
            };
            let problem = Problem::from(refusal).with_held(held);
            return Err(problem.with_rate_limits(limits));
        }
    };

    let mut answer = HttpResponse::Accepted();
    for limit in &limits {
        limit.append_to(&mut answer);
    }
    answer.insert_header((LOCATION, format!("/orders/{}", placed.order_id)));
    if placed.replayed {
        answer.insert_header((REPLAYED, "true"));
    }
    Ok(answer.json(OrderAnswer {
        order_id: placed.order_id,
        product_id: order.product.as_str(),
        user_id: order.user.as_str(),
        quantity: order.quantity,
        status: placed.status,
        expires_at: placed.expires_at,
    }))
}

/// `POST /orders/{id}/complete`
pub async fn complete(
    request: HttpRequest,
    order_id: Path<String>,
    services: Data<Services>,
    statuses: Data<OrderStatusReader>,
) -> Result<HttpResponse, Problem> {
    services.access.admin(&request)?;
    let order_id = parse(&order_id)?;
    let completion = services.complete_order.complete(order_id, &statuses).await;
    let completion = match completion {
        Ok(completion) => completion,
        Err(error) => {
            let remaining = match error {
                ChangeError::Expired => remaining(order_id, &services, &statuses).await,
                _ => None,
            };
            let problem = Problem::from(error).about(order_id);
            return Err(problem.with_remaining(remaining));
        }
    };
    let (mut answer, order) = match completion {
        Completion::Written(order) => (HttpResponse::Ok(), order),
        Completion::Pending(order) => {
            let mut answer = HttpResponse::Accepted();
            answer.insert_header((RETRY_AFTER, 1));
            (answer, order)
        }
    };
    if let Ok(product) = ProductId::parse(&order.product_id) {
        services.snapshots.forget(&product);
    }
    Ok(answer.json(order))
}

/// `POST /orders/{id}/cancel`
pub async fn cancel(
    request: HttpRequest,
    order_id: Path<String>,
    services: Data<Services>,
    statuses: Data<OrderStatusReader>,
) -> Result<HttpResponse, Problem> {
    let by = canceller(&request, &order_id, &services, &statuses).await?;
    let order_id = parse(&order_id)?;
    let cancelled = services.cancel_order.cancel(order_id, by, &statuses).await;
    let order = cancelled.map_err(|error| Problem::from(error).about(order_id))?;
    if let Ok(product) = ProductId::parse(&order.product_id) {
        services.snapshots.forget(&product);
    }
    Ok(HttpResponse::Ok().json(order))
}

/// `GET /orders/{id}`
pub async fn find(
    request: HttpRequest,
    order_id: Path<String>,
    services: Data<Services>,
    statuses: Data<OrderStatusReader>,
) -> Result<HttpResponse, Problem> {
    let caller = services.access.caller(&request)?;
    let order_id = parse(&order_id)?;
    let order = statuses.find(order_id).await;
    let order = order.map_err(|error| Problem::from(error).about(order_id))?;
    if !caller.may_see_order_of(&order.user_id) {
        return Err(StatusError::Unknown.into());
    }
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(order))
}

fn parse(order_id: &str) -> Result<OrderId, Problem> {
    order_id
        .parse()
        .map_err(|error| Problem::new(Kind::UnknownOrder, error))
}

/// Who cancels an order: an admin call, or its buyer if the terms of the sale allow that.
async fn canceller(
    request: &HttpRequest,
    order_id: &str,
    services: &Services,
    statuses: &OrderStatusReader,
) -> Result<CancelledBy, Problem> {
    if let Some(buyer) = services.access.buyer(request)
        && may_cancel(&buyer, order_id, services, statuses).await?
    {
        return Ok(CancelledBy::Buyer);
    }
    services.access.admin(request)?;
    Ok(CancelledBy::Shop)
}

/// Whether a buyer may cancel an order as long as it is not paid.
async fn may_cancel(
    buyer: &UserId,
    order_id: &str,
    services: &Services,
    statuses: &OrderStatusReader,
) -> Result<bool, Problem> {
    let Ok(order_id) = order_id.parse() else {
        return Ok(false);
    };
    let order = match statuses.find(order_id).await {
        Err(StatusError::Unknown) => return Ok(false),
        found => found.map_err(|error| Problem::from(error).about(order_id))?,
    };
    let Ok(product) = ProductId::parse(&order.product_id) else {
        return Ok(false);
    };
    if order.user_id != buyer.as_str() {
        return Ok(false);
    }
    let sale = match services.sales.find(&product).await {
        Err(SaleLookupError::Over(_)) => return Ok(false),
        found => found?,
    };
    let terms = services.sales.hold_terms(&sale).await;
    let terms = terms.map_err(Refusal::from)?;
    Ok(terms.is_some_and(|terms| terms.buyer_cancel))
}

/// The units that may come back, if the sale has holds and refused an order for want of units.
async fn held(order: &Order, services: &Services) -> Option<u32> {
    let sale = services.sales.find(&order.product).await.ok()?;
    if !sale.facts.has_holds {
        return None;
    }
    // Boxed: a rare, large future would enlarge the one of every order.
    Box::pin(held_units(order, services)).await
}

async fn held_units(order: &Order, services: &Services) -> Option<u32> {
    let (product, snapshots) = (&order.product, &services.snapshots);
    let mut view = snapshots.find(product).await.ok()??;
    if view.remaining >= order.quantity.get().into() {
        // It is from before the refusal, and may lack the units that are held since.
        snapshots.forget(product);
        view = snapshots.find(product).await.ok()??;
    }
    view.held()
}

/// What is left of the sale of an order.
async fn remaining(
    order_id: OrderId,
    services: &Services,
    statuses: &OrderStatusReader,
) -> Option<u32> {
    let order = statuses.find(order_id).await.ok()?;
    let product = ProductId::parse(&order.product_id).ok()?;
    let sale = services.snapshots.find(&product).await.ok()??;
    Some(sale.remaining)
}

#[cfg(test)]
mod tests {
    use super::super::{compat, products};
    use super::*;

    /// actix moves the future of a handler to the heap for each request.
    #[test]
    fn the_futures_of_frequent_calls_are_small() {
        fn size<A, B, C, R>(_: impl Fn(A, B, C) -> R) -> usize {
            size_of::<R>()
        }
        let find_order = |request, id, (services, statuses)| find(request, id, services, statuses);
        for (call, size) in [
            ("place an order", size(place)),
            ("place an order, compatibly", size(compat::order)),
            ("find an order", size(find_order)),
            ("find a product", size(products::find)),
        ] {
            assert!(size <= 2_048, "{call}: {size} bytes");
        }
    }
}
