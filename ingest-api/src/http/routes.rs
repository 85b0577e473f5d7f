use std::sync::Arc;

use actix_web::http::header::ALLOW;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError};
use fluxgate_core::ops::get_or_head;

use super::observe::{Observer, observe};
use super::problem::{Kind, Problem};
use super::{AdminToken, CompatLimits, compat, orders, products};
use crate::orders::{Desk, Statuses};
use crate::sales::{Catalog, Changes, Opener, Views};

/// What the handlers work with; one for all threads.
#[allow(missing_docs)]
pub struct Services {
    pub views: Views,
    pub catalog: Arc<Catalog>,
    pub opener: Opener,
    pub changes: Changes,
    pub statuses: Statuses,
    pub admin: AdminToken,
    pub compat: CompatLimits,
    pub body_limit: usize,
}

/// Adds the service's routes; those of the original only on request.
pub fn routes(
    services: Data<Services>,
    desk: Data<Desk>,
    observer: Data<Observer>,
    with_compat: bool,
) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let resource = |path, allowed| resource(path, allowed).app_data(observer.route(path));
        let mut api = web::scope("")
            .wrap(from_fn(observe))
            .service(resource("/orders", "POST").route(web::post().to(orders::place)))
            .service(resource("/orders/{id}", "GET").route(get_or_head().to(orders::find)))
            .service(resource("/orders/{id}/cancel", "POST").route(web::post().to(orders::cancel)))
            .service(
                resource("/products/{id}/restock", "POST").route(web::post().to(products::restock)),
            )
            .service(
                resource("/products/{id}/close", "POST").route(web::post().to(products::close)),
            )
            .service(
                resource("/products/{id}", "GET, PUT")
                    .route(get_or_head().to(products::find))
                    .route(web::put().to(products::open)),
            );
        if with_compat {
            api = api
                .service(resource("/init", "POST").route(web::post().to(compat::init)))
                .service(resource("/order", "POST").route(web::post().to(compat::order)));
        }
        config
            .app_data(services)
            .app_data(desk)
            .app_data(observer)
            .service(api.default_service(web::to(not_found)));
    }
}

/// A path that answers 405, with what it does allow, for every other method.
fn resource(path: &str, allowed: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        let detail = format!("{} is not allowed here; {allowed} is", request.method());
        let mut answer = Problem::new(Kind::MethodNotAllowed, detail).error_response();
        let allowed = actix_web::http::header::HeaderValue::from_static(allowed);
        answer.headers_mut().insert(ALLOW, allowed);
        answer
    }))
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let detail = format!("nothing answers to {}", request.path());
    Problem::new(Kind::NotFound, detail).error_response()
}
