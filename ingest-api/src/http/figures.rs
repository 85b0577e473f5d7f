//! The figures of a sale, for the shop.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;
use serde::Serialize;

use super::Services;
use super::problem::Problem;
use crate::sales::{SaleAnswer, WatchedSale};

/// What Redis no longer has of a sale that is over is `null`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FiguresAnswer {
    #[serde(flatten)]
    sale: SaleAnswer,
    now: Timestamp,
    orders: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_late: Option<u64>,
    outbox_entries: Option<u64>,
    ledger: Option<LedgerAnswer>,
}

#[derive(Debug, Serialize)]
struct LedgerAnswer {
    sold: i64,
}

/// `GET /products/{id}/figures`: read anew for every request, so it does not matter which instance answers.
pub async fn find(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    services.access.admin_read(&request)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let watched = services.sales.watch(&product).await?;
    let mut head = HttpResponse::Ok();
    head.insert_header((CACHE_CONTROL, "no-store"));
    Ok(head.json(FiguresAnswer::from(watched)))
}

impl From<WatchedSale> for FiguresAnswer {
    fn from(watched: WatchedSale) -> Self {
        let WatchedSale {
            view,
            orders,
            outbox_entries,
            joined_late,
            sold,
        } = watched;
        Self {
            now: view.seen_at,
            completed: view.facts.has_holds.then_some(view.completed),
            sale: view.into(),
            orders,
            joined_late,
            outbox_entries,
            ledger: sold.map(|sold| LedgerAnswer { sold }),
        }
    }
}
