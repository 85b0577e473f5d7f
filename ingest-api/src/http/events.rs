use actix_web::body;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use fluxgate_domain::ids::ProductId;

use super::Services;
use super::problem::{Kind, Problem};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass every event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `GET /products/{id}/events`
pub async fn stream(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let (snapshots, sales) = (&services.snapshots, &services.sales);
    let view = snapshots.find_also_over(&product, sales).await?;
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/event-stream");
    answer.insert_header((CACHE_CONTROL, "no-store"));
    answer.insert_header((X_ACCEL_BUFFERING, "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.body(body::None::new()));
    }
    let Some(slot) = services.events.slot() else {
        let detail = "too many event streams are open";
        return Err(Problem::new(Kind::Overloaded, detail));
    };
    let last_id = request.headers().get(&LAST_EVENT_ID);
    let last_id = last_id.map(|id| id.as_bytes());
    let stream = services.events.open(&product, view, last_id, slot);
    // The client comes back over a new connection, which a load balancer may give to another instance.
    answer.force_close();
    Ok(answer.streaming(stream.into_body()))
}
