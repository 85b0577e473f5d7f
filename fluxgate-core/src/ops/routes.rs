use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};
use prometheus::{Registry, TextEncoder};

use super::Readiness;

/// Adds `/livez`, `/readyz`, `/health` (the same as `/readyz`) and `/metrics`.
pub fn routes(readiness: Readiness, registry: Registry) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(readiness))
            .app_data(web::Data::new(registry))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/health", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics));
    }
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

async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => uncached(HttpResponse::Ok())
            .content_type("text/plain; version=0.0.4")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            HttpResponse::InternalServerError()
                .content_type(ContentType::plaintext())
                .body("metrics could not be encoded")
        }
    }
}

fn uncached(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer.insert_header((CACHE_CONTROL, "no-store"));
    answer
}
