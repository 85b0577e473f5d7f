use actix_web::http::header::{CACHE_CONTROL, ETAG, EntityTag, Header, IfNoneMatch};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::QueueTerms;
use fluxgate_domain::ids::{
    AdmitPerSecond, OrdersPerSecond, OrdersPerUser, Overbook, ProductId, Total, TurnSeconds,
};
use fluxgate_gate::SaleView;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Services;
use super::problem::Problem;
use super::request::{idempotency_key, json_body};
use super::sale_request::SaleRequest;
use crate::orders::Refusal;
use crate::sales::SaleLookupError;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SaleAnswer {
    product_id: ProductId,
    total: Total,
    remaining: u32,
    status: &'static str,
    opens_at: Timestamp,
    closes_at: Option<Timestamp>,
    per_user_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orders_per_second: Option<OrdersPerSecond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orders_per_user: Option<OrdersPerUser>,
    #[serde(flatten)]
    holds: Option<HoldsAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueAnswer>,
}

/// What is said about holds, with the defaults.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HoldsAnswer {
    hold_seconds: i64,
    hold_grace_seconds: i64,
    unpaid_per_user: u32,
    buyer_cancel: bool,
    held: u32,
}

/// What is said about the queue, with the defaults, and the promise of its seed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueAnswer {
    join_from: Option<Timestamp>,
    join_until: Option<Timestamp>,
    admit_per_second: AdmitPerSecond,
    turn_seconds: TurnSeconds,
    overbook: Overbook,
    #[serde(with = "hex")]
    seed_sha256: [u8; 32],
}

/// `PUT /products/{id}`
pub async fn open(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    services.access.admin(&request)?;
    let sale: SaleRequest = json_body(&request)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let terms = sale.terms(&product, services.queue_secret.as_ref())?;

    let opened = services.opener.open(&product, &terms).await?;
    services.snapshots.forget(&product);
    let mut answer = if opened.newly {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(SaleAnswer::from(opened.view)))
}

/// `GET /products/{id}`
pub async fn find(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let view = services.snapshots.find(&product).await;
    let view = match view.map_err(Refusal::from)? {
        Some(view) => view,
        None => match services.sales.lookup_error(&product).await {
            SaleLookupError::Over(view) => *view,
            error => return Err(error.into()),
        },
    };
    // What can change: three fields, the units that are held, and the terms of an amended sale.
    let mut tag = format!("{}.{}.{}", view.total.get(), view.remaining, status(&view));
    if let Some(held) = view.held() {
        tag += &format!(".{held}");
    }
    if let Some(number) = view.amended {
        tag += &format!(".{number}");
    }
    let tag = EntityTag::new_strong(tag);
    let is_current = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|it| it.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut answer = match is_current {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    answer.insert_header((CACHE_CONTROL, "no-cache"));
    answer.insert_header((ETAG, tag.to_string()));
    Ok(match is_current {
        true => answer.finish(),
        false => answer.json(SaleAnswer::from(view)),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestockRequest {
    quantity: Total,
}

/// `POST /products/{id}/restock`
pub async fn restock(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    services.access.admin(&request)?;
    let body: RestockRequest = json_body(&request)?;
    let key = idempotency_key(&request)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let changed = services.changes.restock(&product, body.quantity, &key);
    let changed = changed.await?;
    services.snapshots.forget(&product);
    Ok(HttpResponse::Ok().json(SaleAnswer::from(changed)))
}

/// `POST /products/{id}/close`
pub async fn close(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    services.access.admin(&request)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let closed = services.changes.close(&product).await?;
    services.snapshots.forget(&product);
    Ok(HttpResponse::Ok().json(SaleAnswer::from(closed)))
}

impl From<SaleView> for SaleAnswer {
    fn from(view: SaleView) -> Self {
        Self {
            status: status(&view),
            holds: HoldsAnswer::of(&view),
            queue: view.terms.queue.map(QueueAnswer::from),
            product_id: view.facts.product,
            total: view.total,
            remaining: view.remaining,
            opens_at: view.facts.opens_at,
            closes_at: view.facts.closes_at,
            per_user_limit: view.facts.per_user_limit,
            orders_per_second: view.terms.orders_per_second,
            orders_per_user: view.terms.orders_per_user,
        }
    }
}

impl HoldsAnswer {
    fn of(view: &SaleView) -> Option<Self> {
        let holds = view.terms.holds()?;
        Some(Self {
            hold_seconds: holds.hold.as_secs(),
            hold_grace_seconds: holds.grace.as_secs(),
            unpaid_per_user: holds.unpaid_per_user.get(),
            buyer_cancel: holds.buyer_cancel,
            held: view.held()?,
        })
    }
}

impl From<QueueTerms> for QueueAnswer {
    fn from(queue: QueueTerms) -> Self {
        Self {
            join_from: queue.join_from,
            join_until: queue.join_until,
            admit_per_second: queue.admit_per_second,
            turn_seconds: queue.turn_seconds_or_default(),
            overbook: queue.overbook_or_default(),
            seed_sha256: queue.seed_sha256,
        }
    }
}

fn status(view: &SaleView) -> &'static str {
    let facts = &view.facts;
    if view.closed || facts.closes_at.is_some_and(|at| at <= view.seen_at) {
        "closed"
    } else if view.opening || facts.opens_at > view.seen_at {
        "scheduled"
    } else if view.remaining == 0 && view.held().is_some_and(|held| held > 0) {
        "all_held"
    } else if view.remaining == 0 {
        "sold_out"
    } else {
        "open"
    }
}
