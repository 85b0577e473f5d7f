//! Changing how a queue is served.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::ids::{AdmitPerSecond, ProductId, QueueMode};
use fluxgate_domain::queue::QueuePatch;
use serde::Deserialize;

use super::Services;
use super::problem::Problem;
use super::request::{idempotency_key, json_body};
use super::sale_request::said;
use crate::sales::SaleAnswer;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueueChangeRequest {
    #[serde(default, deserialize_with = "said")]
    admit_per_second: Option<AdmitPerSecond>,
    #[serde(default, deserialize_with = "said")]
    paused: Option<bool>,
    #[serde(default, deserialize_with = "said")]
    mode: Option<QueueMode>,
}

/// `PATCH /queue/{product}`
pub async fn change(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    services.access.admin(&request)?;
    let body: QueueChangeRequest = json_body(&request)?;
    let patch = QueuePatch {
        admit_per_second: body.admit_per_second,
        paused: body.paused,
        mode: body.mode,
    };
    if patch.is_empty() {
        let detail = "the body must have admitPerSecond, paused or mode";
        return Err(Problem::invalid(detail));
    }
    let key = idempotency_key(&request)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let changed = services.changes.change_queue(&product, &patch, &key);
    let changed = changed.await?;
    services.snapshots.forget(&product);
    Ok(HttpResponse::Ok().json(SaleAnswer::from(changed)))
}
