use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::ALLOW;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, ResponseError, Route};
use fluxgate_domain::queue::QueueSecret;
use fluxgate_service::ops::get_or_head;

use super::observe::{Observer, observe};
use super::problem::{Kind, Problem};
use super::{
    Access, CorsPolicy, RecentJoins, TryLimits, WaitingRoom, compat, events, figures, orders,
    pages, products, queue, queue_change,
};
use crate::events::SaleEvents;
use crate::orders::{CancelOrder, CompleteOrder, OrderStatusReader, PlaceOrder};
use crate::pages::Pages;
use crate::queue::{ProofOfWork, Queues};
use crate::sales::{SaleCache, SaleChanges, SaleOpener, SaleSnapshots};

/// What the handlers of all threads share.
#[allow(missing_docs)]
pub struct Services {
    pub snapshots: Arc<SaleSnapshots>,
    pub events: Arc<SaleEvents>,
    pub sales: Arc<SaleCache>,
    pub opener: SaleOpener,
    pub changes: Arc<SaleChanges>,
    pub complete_order: CompleteOrder,
    pub cancel_order: CancelOrder,
    pub access: Access,
    pub try_limits: Option<TryLimits>,
    pub queues: Arc<Queues>,
    pub recent_joins: Arc<RecentJoins>,
    /// What those compute who join a queue; `None`: nothing.
    pub proof_of_work: Option<ProofOfWork>,
    pub waiting_room: WaitingRoom,
    /// The secret of the queues of new sales; `None`: sales get no queues.
    pub queue_secret: Option<QueueSecret>,
}

/// Adds the routes of the service, those of its pages if there are any, and those of the original Flux-Gate if `has_compat_routes`.
pub fn routes(
    services: Data<Services>,
    place_order: Data<PlaceOrder>,
    statuses: Data<OrderStatusReader>,
    observer: Data<Observer>,
    cors: Option<CorsPolicy>,
    pages: Option<Data<Pages>>,
    has_compat_routes: bool,
) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(services)
            .app_data(place_order)
            .app_data(statuses)
            .app_data(observer.clone())
            .default_service(web::to(not_found).wrap(from_fn(observe)));
        let mut resource = |path: &str, allowed, routes: Vec<Route>| {
            let resource = resource(path, allowed, routes, &observer);
            match &cors {
                None => config.service(resource),
                // Outermost, so that pages can read every answer.
                Some(cors) => config.service(resource.wrap(cors.middleware())),
            };
        };
        resource("/orders", "POST", vec![web::post().to(orders::place)]);
        resource("/orders/{id}", "GET", vec![get_or_head().to(orders::find)]);
        resource(
            "/orders/{id}/complete",
            "POST",
            vec![web::post().to(orders::complete)],
        );
        resource(
            "/orders/{id}/cancel",
            "POST",
            vec![web::post().to(orders::cancel)],
        );
        resource(
            "/products/{id}",
            "GET, PUT",
            vec![
                get_or_head().to(products::find),
                web::put().to(products::open),
            ],
        );
        resource(
            "/products/{id}/events",
            "GET",
            vec![get_or_head().to(events::stream)],
        );
        resource(
            "/products/{id}/figures",
            "GET",
            vec![get_or_head().to(figures::find)],
        );
        resource(
            "/products/{id}/restock",
            "POST",
            vec![web::post().to(products::restock)],
        );
        resource(
            "/products/{id}/close",
            "POST",
            vec![web::post().to(products::close)],
        );
        resource(
            "/queue/{id}",
            "GET, PATCH, POST",
            vec![
                get_or_head().to(queue::state),
                web::patch().to(queue_change::change),
                web::post().to(queue::join),
            ],
        );
        resource(
            "/queue/{id}/place",
            "GET",
            vec![get_or_head().to(queue::place)],
        );
        if pages.is_some() {
            resource("/sales/{id}", "GET", vec![get_or_head().to(pages::sale)]);
            resource("/board", "GET", vec![get_or_head().to(pages::board)]);
            resource(
                "/assets/{version}/{name}",
                "GET",
                vec![get_or_head().to(pages::asset)],
            );
        }
        if has_compat_routes {
            resource("/init", "POST", vec![web::post().to(compat::init)]);
            resource("/order", "POST", vec![web::post().to(compat::order)]);
        }
        if let Some(pages) = pages {
            config.app_data(pages);
        }
    }
}

/// A path with its handlers; other methods are answered 405 with `Allow`.
///
/// Each path is wrapped by itself: a scope around all of them would cost every request a second match and two boxes.
fn resource(
    path: &str,
    allowed: &'static str,
    routes: Vec<Route>,
    observer: &Observer,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + 'static,
> {
    let resource = web::resource(path)
        .app_data(observer.route(path))
        .wrap(from_fn(observe))
        .default_service(web::to(move |request: HttpRequest| async move {
            let detail = format!("{} is not allowed; allowed: {allowed}", request.method());
            let mut answer = Problem::new(Kind::MethodNotAllowed, detail).error_response();
            let allowed = actix_web::http::header::HeaderValue::from_static(allowed);
            answer.headers_mut().insert(ALLOW, allowed);
            answer
        }));
    routes.into_iter().fold(resource, Resource::route)
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let detail = format!("no such path: {}", request.path());
    Problem::new(Kind::NotFound, detail).error_response()
}
