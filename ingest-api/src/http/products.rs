use actix_web::http::header::{CACHE_CONTROL, ETAG, EntityTag, Header, IfNoneMatch};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::Terms;
use fluxgate_domain::ids::{
    HoldGraceSeconds, HoldSeconds, OrdersPerSecond, OrdersPerUser, ProductId, Total, UnpaidPerUser,
};
use fluxgate_gate::SaleView;
use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::Services;
use super::problem::Problem;
use super::request::{idempotency_key, json_body};
use crate::orders::Refusal;
use crate::sales::SaleLookupError;

/// Unknown fields are refused: a misspelt `perUserLimit` would open a sale without a limit, permanently.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SaleRequest {
    quantity: Total,
    #[serde(default, deserialize_with = "time")]
    opens_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    closes_at: Option<Timestamp>,
    per_user_limit: Option<Total>,
    orders_per_second: Option<OrdersPerSecond>,
    orders_per_user: Option<OrdersPerUser>,
    #[serde(default, deserialize_with = "said")]
    hold_seconds: Option<HoldSeconds>,
    #[serde(default, deserialize_with = "said")]
    hold_grace_seconds: Option<HoldGraceSeconds>,
    #[serde(default, deserialize_with = "said")]
    unpaid_per_user: Option<UnpaidPerUser>,
    #[serde(default, deserialize_with = "said")]
    buyer_cancel: Option<bool>,
}

/// Reads a term that is said. `null` is refused: a program that lacks its value would open a sale without holds, permanently.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a time; the error says what is allowed.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let time = Option::deserialize(deserializer);
    time.map_err(|_| D::Error::custom("must be a time such as 2026-11-26T15:16:40.915Z"))
}

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

/// `PUT /products/{id}`
pub async fn open(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    services.access.admin(&request)?;
    let terms = terms(&json_body(&request)?)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;

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

fn terms(sale: &SaleRequest) -> Result<Terms, Problem> {
    let is_in_range = |at: Timestamp| at.as_millisecond() > 0;
    if !sale.opens_at.is_none_or(is_in_range) {
        return Err(Problem::invalid(
            "opensAt must be after 1970-01-01T00:00:00Z",
        ));
    }
    let opens_at = sale.opens_at.unwrap_or_else(Timestamp::now);
    if sale
        .closes_at
        .is_some_and(|closes_at| closes_at <= opens_at)
    {
        return Err(Problem::invalid("closesAt must be later than opensAt"));
    }
    let of_holds = [
        ("holdGraceSeconds", sale.hold_grace_seconds.is_some()),
        ("unpaidPerUser", sale.unpaid_per_user.is_some()),
        ("buyerCancel", sale.buyer_cancel.is_some()),
    ];
    if let (None, Some((term, _))) = (
        sale.hold_seconds,
        of_holds.into_iter().find(|(_, is_said)| *is_said),
    ) {
        return Err(Problem::invalid(format_args!("{term} needs holdSeconds")));
    }
    Ok(Terms {
        quantity: sale.quantity,
        opens_at: sale.opens_at.map(to_millisecond),
        closes_at: sale.closes_at.map(to_millisecond),
        per_user_limit: sale.per_user_limit.map(Total::get),
        orders_per_second: sale.orders_per_second,
        orders_per_user: sale.orders_per_user,
        hold_seconds: sale.hold_seconds,
        hold_grace_seconds: sale.hold_grace_seconds,
        unpaid_per_user: sale.unpaid_per_user,
        buyer_cancel: sale.buyer_cancel,
        queue: None,
    })
}

/// Sales open and close on whole milliseconds.
fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl From<SaleView> for SaleAnswer {
    fn from(view: SaleView) -> Self {
        Self {
            status: status(&view),
            holds: HoldsAnswer::of(&view),
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
