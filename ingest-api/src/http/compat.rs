//! The routes and JSON of the original Flux-Gate, on top of the same use cases.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::Terms;
use fluxgate_domain::ids::{ProductId, Quantity, Total, UserId};
use governor::{DefaultDirectRateLimiter, Quota};
use serde::Deserialize;
use serde_json::json;

use super::Services;
use super::orders::named;
use super::problem::Problem;
use super::request::{idempotency_key, json_body};
use crate::config::CompatSettings;
use crate::orders::{Order, PlaceOrder, Refusal};
use crate::sales::OpenError;

/// Limits the rate of `POST /order`: above it, requests are redirected.
pub struct CompatLimits(Option<(DefaultDirectRateLimiter, String)>);

impl CompatLimits {
    /// No limit unless both settings are set.
    pub fn new(settings: &CompatSettings) -> Self {
        let rate = settings.compat_rate_per_second;
        let url = settings.compat_waiting_room_url.clone();
        Self(rate.zip(url).map(|(rate, url)| {
            let limiter = DefaultDirectRateLimiter::direct(Quota::per_second(rate));
            (limiter, url)
        }))
    }

    /// The redirect target of a request above the rate.
    fn redirect(&self) -> Option<&str> {
        let (limiter, url) = self.0.as_ref()?;
        limiter.check().is_err().then_some(url)
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
    let terms = Terms::of(init.quantity);
    match services.opener.open(&init.product_id, &terms).await {
        Ok(opened) => {
            let msg = format!("{} units of {}", opened.view.total.get(), init.product_id);
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
    if let Some(url) = services.compat.redirect() {
        return Ok(HttpResponse::Found()
            .insert_header((LOCATION, url))
            .finish());
    }
    let caller = services.ordering_caller(&request)?;
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
    };
    let status = |status| Ok(HttpResponse::Ok().json(json!({"status": status})));
    match place_order.place(&order).await {
        Ok(placed) if !placed.replayed => status("success"),
        Ok(_) | Err(Refusal::Cancelled { .. } | Refusal::Rejected { .. }) => status("ignored"),
        Err(Refusal::SoldOut | Refusal::UnknownProduct | Refusal::Closed) => {
            Ok(HttpResponse::Conflict().json(json!({"status": "sold_out"})))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn bad_request(problem: &Problem) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": problem.detail()}))
}
