use actix_web::http::header::{CACHE_CONTROL, ETAG, EntityTag};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::ids::{ProductId, Total};
use serde::{Deserialize, Serialize};

use super::Services;
use super::problem::Problem;
use super::request::{has_version, idempotency_key, json_body};
use super::sale_request::SaleRequest;
use crate::sales::SaleAnswer;

/// Of a sale with a queue, if buyers are not identified (docs/SECURITY.md).
const INVENTED_USERS: &str = "without AUTH_JWKS_URL, AUTH_JWKS_FILE and AUTH_HS256_SECRET anybody can invent users, and join the queue as each of them";

/// A sale that was opened, and what its shop should know.
#[derive(Debug, Serialize)]
struct OpenedAnswer {
    #[serde(flatten)]
    sale: SaleAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<[&'static str; 1]>,
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

    let opened = services.opener.open_or_amend(&product, &terms).await?;
    services.snapshots.forget(&product);
    let mut answer = if opened.newly {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    let has_unidentified_users = terms.queue.is_some() && !services.access.has_identity();
    Ok(answer.json(OpenedAnswer {
        sale: SaleAnswer::from(opened.view),
        warnings: has_unidentified_users.then_some([INVENTED_USERS]),
    }))
}

/// `GET /products/{id}`
pub async fn find(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let (snapshots, sales) = (&services.snapshots, &services.sales);
    let view = snapshots.find_also_over(&product, sales).await?;
    let answer = SaleAnswer::from(view);
    let tag = EntityTag::new_strong(answer.version());
    let is_current = has_version(&request, &tag);
    let mut response = match is_current {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    response.insert_header((CACHE_CONTROL, "no-cache"));
    response.insert_header((ETAG, tag.to_string()));
    Ok(match is_current {
        true => response.finish(),
        false => response.json(answer),
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
