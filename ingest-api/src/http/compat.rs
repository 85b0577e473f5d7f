//! The routes and JSON of the original Flux-Gate, on top of the same use cases.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::Terms;
use fluxgate_domain::ids::{OrdersPerSecond, ProductId, Quantity, Total, UserId};
use governor::{DefaultDirectRateLimiter, Quota};
use serde::Deserialize;
use serde_json::json;

use super::orders::named;
use super::problem::Problem;
use super::queue::queue_pass;
use super::request::{idempotency_key, json_body};
use super::{RateLimit, Services};
use crate::config::{CompatSettings, SaleFeatures};
use crate::orders::{Order, PlaceOrder, Refusal};
use crate::sales::OpenError;

/// Where `POST /order` redirects clients that have to wait, and the rate above which they have to.
pub struct WaitingRoom {
    url: Option<String>,
    rate: WaitingRoomRate,
}

enum WaitingRoomRate {
    Unlimited,
    /// Of the requests to this instance.
    Instance(DefaultDirectRateLimiter),
    /// Of the orders of each sale that `POST /init` opens.
    Sale(OrdersPerSecond),
}

impl WaitingRoom {
    /// A rate for each sale if sales may have limits.
    pub fn new(settings: &CompatSettings, features: SaleFeatures) -> Self {
        let rate = match settings.compat_rate_per_second {
            Some(rate) if features.limits => {
                // Otherwise it is more than a sale takes.
                let rate = OrdersPerSecond::try_from(rate.get());
                rate.map_or(WaitingRoomRate::Unlimited, WaitingRoomRate::Sale)
            }
            Some(rate) => {
                let quota = Quota::per_second(rate);
                WaitingRoomRate::Instance(DefaultDirectRateLimiter::direct(quota))
            }
            None => WaitingRoomRate::Unlimited,
        };
        Self {
            url: settings.compat_waiting_room_url.clone(),
            rate,
        }
    }

    /// The redirect target of a request above the rate of this instance.
    fn of_request(&self) -> Option<&str> {
        let is_above = match &self.rate {
            WaitingRoomRate::Instance(limiter) => limiter.check().is_err(),
            WaitingRoomRate::Unlimited | WaitingRoomRate::Sale(_) => false,
        };
        self.url.as_deref().filter(|_| is_above)
    }

    /// The redirect target of an order that is refused only for now. A client of the original has no ticket: without one, the
    /// order waits for the queue like one before its turn.
    fn of_refusal(&self, refusal: &Refusal) -> Option<&str> {
        let waits = match refusal {
            Refusal::NotYourTurn { .. } | Refusal::TicketMissing | Refusal::TurnOver => true,
            Refusal::RateLimited { .. } => self.rate_of_sale().is_some(),
            _ => false,
        };
        self.url.as_deref().filter(|_| waits)
    }

    /// The rate of the sales that `POST /init` opens.
    fn rate_of_sale(&self) -> Option<OrdersPerSecond> {
        match self.rate {
            WaitingRoomRate::Sale(rate) => Some(rate),
            WaitingRoomRate::Unlimited | WaitingRoomRate::Instance(_) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitRequest {
    product_id: ProductId,
    quantity: Total,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderRequest {
    product_id: ProductId,
    #[serde(default, deserialize_with = "named")]
    user_id: Option<UserId>,
}

/// `POST /init`
pub async fn init(request: HttpRequest, services: Data<Services>) -> Result<HttpResponse, Problem> {
    if services.access.has_identity() {
        services.access.admin(&request)?;
    }
    let init: InitRequest = match json_body(&request) {
        Ok(init) => init,
        Err(problem) => return Ok(bad_request(&problem)),
    };
    let terms = Terms {
        orders_per_second: services.waiting_room.rate_of_sale(),
        ..Terms::of(init.quantity)
    };
    let opened = match services.opener.open(&init.product_id, &terms).await {
        // Opened before COMPAT_RATE_PER_SECOND was changed.
        Err(OpenError::Exists(different)) if different == ["ordersPerSecond"] => Ok(init.quantity),
        opened => opened.map(|opened| opened.view.total),
    };
    match opened {
        Ok(total) => {
            let msg = format!("{} units of {}", total.get(), init.product_id);
            Ok(HttpResponse::Ok().json(json!({"status": "ok", "msg": msg})))
        }
        Err(error @ OpenError::DotSegment) => Ok(bad_request(&error.into())),
        Err(error @ OpenError::Exists(_)) => {
            Ok(HttpResponse::Conflict().json(json!({"error": error.to_string()})))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /order`
pub async fn order(
    request: HttpRequest,
    services: Data<Services>,
    place_order: Data<PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    if let Some(url) = services.waiting_room.of_request() {
        return Ok(redirect(url));
    }
    let caller = services.ordering_caller(&request)?;
    let pass = queue_pass(&request, &caller);
    let body: OrderRequest = match json_body(&request) {
        Ok(body) => body,
        Err(problem) => return Ok(bad_request(&problem)),
    };
    let user = match services.ordering_user(caller, body.user_id) {
        Ok(user) => user,
        Err(problem) if problem.is_invalid() => return Ok(bad_request(&problem)),
        Err(problem) => return Err(problem),
    };
    let order = Order {
        key: match idempotency_key(&request) {
            Ok(key) => key,
            Err(problem) => return Ok(bad_request(&problem)),
        },
        product: body.product_id,
        user,
        quantity: Quantity::ONE,
        pass,
    };
    let status = |status| Ok(HttpResponse::Ok().json(json!({"status": status})));
    let placement = place_order.place(&order).await;
    match placement.outcome {
        Ok(placed) if !placed.replayed => status("success"),
        Ok(_)
        | Err(Refusal::Cancelled { .. } | Refusal::Expired { .. } | Refusal::Rejected { .. }) => {
            status("ignored")
        }
        Err(Refusal::SoldOut | Refusal::UnknownProduct | Refusal::Closed) => {
            Ok(HttpResponse::Conflict().json(json!({"status": "sold_out"})))
        }
        Err(refusal) => {
            if let Some(url) = services.waiting_room.of_refusal(&refusal) {
                return Ok(redirect(url));
            }
            let limits = placement.quotas.as_deref().map(RateLimit::of_sale);
            Err(Problem::from(refusal).with_rate_limits(limits.unwrap_or_default()))
        }
    }
}

fn redirect(url: &str) -> HttpResponse {
    let mut answer = HttpResponse::Found();
    answer.insert_header((LOCATION, url)).finish()
}

fn bad_request(problem: &Problem) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": problem.detail()}))
}
