use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder, Route, guard};
use prometheus::{Registry, TextEncoder};

use super::Readiness;

/// Adds [`probes`] and [`metrics`].
pub fn routes(readiness: Readiness, registry: Registry) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .configure(probes(readiness))
            .configure(metrics(registry));
    }
}

/// Adds `/livez`, `/readyz` and `/health` (the same as `/readyz`).
pub fn probes(readiness: Readiness) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(readiness))
            .route("/livez", get_or_head().to(livez))
            .route("/readyz", get_or_head().to(readyz))
            .route("/health", get_or_head().to(readyz));
    }
}

/// Adds `/metrics`.
pub fn metrics(registry: Registry) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(registry))
            .route("/metrics", get_or_head().to(scrape));
    }
}

/// A route for reads: GET, and HEAD without the body.
pub fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn livez() -> HttpResponse {
    uncached(HttpResponse::Ok()).json(serde_json::json!({"status": "ok"}))
}

async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    let report = readiness.report();
    let answer = if report.is_ready() {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    uncached(answer).json(report)
}

async fn scrape(registry: web::Data<Registry>) -> HttpResponse {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => uncached(HttpResponse::Ok())
            .content_type("text/plain; version=0.0.4")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "cannot encode metrics");
            HttpResponse::InternalServerError()
                .content_type(ContentType::plaintext())
                .body("cannot encode metrics")
        }
    }
}

fn uncached(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer.insert_header((CACHE_CONTROL, "no-store"));
    answer
}
