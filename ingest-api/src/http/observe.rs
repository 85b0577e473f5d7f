use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};
use fluxgate_service::traces::{TRACEPARENT, Trace, Traces};
use prometheus::{Histogram, IntCounter};
use uuid::Uuid;

use super::failures::{Failure, Failures};
use super::problem::{Kind, Problem};
use crate::metrics::{Counters, Metrics};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Most bytes of a request id that a client may choose.
const REQUEST_ID_MAX_BYTES: usize = 128;
/// Where orders are asked for; the second is the original's.
const ORDER_PATHS: [&str; 2] = ["/orders", "/order"];

/// Watches every request: gives it an id, bounds how many are under way, counts, times and perhaps traces it.
pub struct Observer {
    metrics: Metrics,
    traces: Traces,
    in_flight_max: i64,
    failures: Failures,
    /// Ids are a random prefix per process and a counter: unique, and cheap at any rate.
    id_prefix: String,
    next_id: AtomicU64,
}

impl Observer {
    /// An observer that lets `in_flight_max` requests be under way at once.
    pub fn new(metrics: Metrics, traces: Traces, in_flight_max: u32) -> Self {
        Self {
            metrics,
            traces,
            in_flight_max: in_flight_max.into(),
            failures: Failures::default(),
            id_prefix: Uuid::new_v4().simple().to_string()[..12].to_owned(),
            next_id: AtomicU64::new(1),
        }
    }

    /// A route to be watched.
    pub fn route(&self, path: &str) -> Route {
        let (requests, owned) = (self.metrics.http_requests_total.clone(), path.to_owned());
        let seconds = &self.metrics.http_request_seconds;
        let orders = &self.metrics.orders_total;
        let takes_orders = ORDER_PATHS.contains(&path);
        Route {
            path: path.to_owned(),
            answers: Counters::new(move |status: StatusCode| {
                requests.with_label_values(&[owned.as_str(), status.as_str()])
            }),
            seconds: ["ok", "refused", "failed"].map(|it| seconds.with_label_values(&[path, it])),
            orders_overloaded: takes_orders.then(|| orders.with_label_values(&["overloaded"])),
        }
    }

    fn request_id(&self, request: &ServiceRequest) -> HeaderValue {
        let given = request.headers().get(&REQUEST_ID).filter(|id| {
            let bytes = id.as_bytes();
            bytes.len() <= REQUEST_ID_MAX_BYTES && bytes.iter().all(u8::is_ascii_graphic)
        });
        match given {
            Some(id) if !id.is_empty() => id.clone(),
            _ => {
                let n = self.next_id.fetch_add(1, Ordering::Relaxed);
                HeaderValue::from_str(&format!("{}-{n:x}", self.id_prefix))
                    .expect("hex digits and a hyphen are visible ASCII")
            }
        }
    }
}

/// A route with its metrics at hand: part of the app data of its resource, on one thread.
pub struct Route {
    path: String,
    answers: Counters<StatusCode>,
    /// By outcome: ok, refused, failed.
    seconds: [Histogram; 3],
    /// Orders that were refused before anybody read them, where orders are asked for.
    orders_overloaded: Option<IntCounter>,
}

impl Route {
    fn answered(&self, status: StatusCode, seconds: f64) {
        self.answers.inc(status);
        let outcome = match status.as_u16() {
            0..400 => 0,
            400..500 => 1,
            500.. => 2,
        };
        self.seconds[outcome].observe(seconds);
    }

    /// IN_FLIGHT_MAX was reached.
    fn refused(&self, method: &Method) {
        if let (Some(orders), &Method::POST) = (&self.orders_overloaded, method) {
            orders.inc();
        }
    }
}

/// One request under way; counted until dropped, also when its client goes away.
struct UnderWay<'a>(&'a Metrics);

impl<'a> UnderWay<'a> {
    fn begin(observer: &'a Observer) -> Option<Self> {
        observer.metrics.in_flight_requests.inc();
        let this = Self(&observer.metrics);
        (this.0.in_flight_requests.get() <= observer.in_flight_max).then_some(this)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight_requests.dec();
    }
}

/// The middleware around every route that does work.
pub async fn observe(
    observer: Data<Observer>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let request_id = observer.request_id(&request);

    let traceparent = request.headers().get(TRACEPARENT);
    let trace = observer
        .traces
        .begin(traceparent.map(HeaderValue::as_bytes));

    let (mut response, failure) = match UnderWay::begin(&observer) {
        Some(_under_way) => {
            let answered = match &trace {
                None => next.call(request).await?,
                Some(trace) => trace.instrument(next.call(request)).await?,
            };
            named(answered.map_into_boxed_body())
        }
        None => {
            observer.metrics.in_flight_limit_hits_total.inc();
            let problem = Problem::new(Kind::Overloaded, "too many requests are under way");
            let answer = problem.error_response();
            (request.into_response(answer), None)
        }
    };
    let refused = failure.is_none() && response.status().is_server_error();

    response
        .headers_mut()
        .insert(REQUEST_ID, request_id.clone());
    let route = response.request().app_data::<Route>();
    let unmatched;
    let route = match route {
        Some(route) => route,
        None => {
            unmatched = observer.route("unmatched");
            &unmatched
        }
    };
    let request_id = request_id.to_str().unwrap_or_default();
    if let Some(trace) = &trace {
        let reason = failure.as_ref().map(|failure| failure.reason.as_str());
        finish(trace, &response, route, request_id, reason);
    }
    match &failure {
        Some(failure) if observer.failures.get_a_line(failure.code) => {
            failure.log(trace.as_ref(), response.status(), &route.path, request_id);
        }
        Some(_) => {}
        // Refused unread, which has a counter and no line.
        None if refused => route.refused(response.request().method()),
        None => {}
    }
    route.answered(response.status(), started.elapsed().as_secs_f64());
    Ok(response)
}

/// An answer with the failure that it tells of, if it does. One that is none of ours says only that it is a bug:
/// its words are for the log.
fn named(answer: ServiceResponse<BoxBody>) -> (ServiceResponse<BoxBody>, Option<Failure>) {
    let failure = Failure::of(&answer);
    let answer = match &failure {
        Some(failure) if failure.code == Kind::Internal.code() => {
            let problem = Problem::new(Kind::Internal, "a bug; the log says more");
            answer.into_response(problem.error_response())
        }
        _ => answer,
    };
    (answer, failure)
}

/// By the names of OpenTelemetry's semantic conventions, where it has some.
fn finish(
    trace: &Trace,
    response: &ServiceResponse<BoxBody>,
    route: &Route,
    request_id: &str,
    reason: Option<&str>,
) {
    let method = response.request().method().as_str();
    trace.name(format!("{method} {}", route.path));
    trace.set_attribute("http.request.method", method.to_owned());
    trace.set_attribute("http.route", route.path.clone());
    trace.set_attribute(
        "http.response.status_code",
        i64::from(response.status().as_u16()),
    );
    trace.set_attribute("request.id", request_id.to_owned());
    if response.status().is_server_error() {
        trace.fail(reason.unwrap_or_default().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use actix_web::error::ErrorInternalServerError;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_and_read_body_json, init_service};
    use actix_web::{App, HttpResponse, web};
    use prometheus::Registry;
    use serde_json::Value;

    use super::*;

    #[actix_web::test]
    async fn an_error_that_is_none_of_ours_is_answered_as_a_bug_and_kept_from_the_client() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, "ingest_api");
        let traces = Traces::default();
        let observer = Data::new(Observer::new(metrics, traces, 1));
        let app = App::new().app_data(observer.clone()).service(
            web::resource("/orders")
                .app_data(observer.route("/orders"))
                .wrap(from_fn(observe))
                .to(|| async { Err::<HttpResponse, _>(ErrorInternalServerError("hush")) }),
        );
        let app = init_service(app).await;
        let request = TestRequest::post().uri("/orders").to_request();
        let problem: Value = call_and_read_body_json(&app, request).await;
        assert_eq!(problem["code"], "internal");
        assert_eq!(problem["status"], 500);
        assert!(!problem.to_string().contains("hush"), "{problem}");
    }
}
