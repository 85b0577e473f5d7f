use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, ResponseError};
use fluxgate_service::traces::{TRACEPARENT, Trace, Traces};
use prometheus::{Histogram, IntCounter};
use uuid::Uuid;

use super::access::log_admin_call;
use super::body::{Body, BodyReader, Unread};
use super::failure_log::{Failure, FailureLog};
use super::problem::{Kind, Problem};
use crate::metrics::{Counters, Metrics};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a request id that a client sends.
const REQUEST_ID_MAX_BYTES: usize = 128;
/// The paths that take orders; the second is the one of the original Flux-Gate.
const ORDER_PATHS: [&str; 2] = ["/orders", "/order"];

/// Observes every request: reads its body, gives it an id, limits the requests in flight, measures it, traces a sample.
pub struct Observer {
    bodies: BodyReader,
    metrics: Metrics,
    traces: Traces,
    in_flight_max: i64,
    failure_log: FailureLog,
    /// Request ids are a random prefix per process and a counter: unique, and cheap at any rate.
    id_prefix: String,
    next_id: AtomicU64,
}

impl Observer {
    /// An observer that allows `in_flight_max` requests in flight.
    pub fn new(bodies: BodyReader, metrics: Metrics, traces: Traces, in_flight_max: u32) -> Self {
        Self {
            bodies,
            metrics,
            traces,
            in_flight_max: in_flight_max.into(),
            failure_log: FailureLog::default(),
            id_prefix: Uuid::new_v4().simple().to_string()[..12].to_owned(),
            next_id: AtomicU64::new(1),
        }
    }

    /// The metrics of a route, for one thread.
    pub fn route(&self, path: &str) -> ObservedRoute {
        let (requests, owned) = (self.metrics.http_requests_total.clone(), path.to_owned());
        let seconds = &self.metrics.http_request_seconds;
        let orders = &self.metrics.orders_total;
        let takes_orders = ORDER_PATHS.contains(&path);
        ObservedRoute {
            path: path.to_owned(),
            responses: Counters::new(move |status: StatusCode| {
                requests.with_label_values(&[owned.as_str(), status.as_str()])
            }),
            seconds: ["ok", "refused", "failed"].map(|it| seconds.with_label_values(&[path, it])),
            orders_overloaded: takes_orders.then(|| orders.with_label_values(&["overloaded"])),
        }
    }

    /// Reads the body of a request for its handler. A request that is refused keeps what was not read.
    async fn read_body(&self, request: &mut ServiceRequest) -> Result<(), (Problem, Payload)> {
        let mut payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return Ok(());
        }
        match self.bodies.read(request.headers(), &mut payload).await {
            Ok(bytes) => {
                request.extensions_mut().insert(Body(bytes));
                Ok(())
            }
            Err(problem) => Err((problem, payload)),
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

/// A route with its metrics, looked up once: app data of the route's resource, on one thread.
pub struct ObservedRoute {
    path: String,
    responses: Counters<StatusCode>,
    /// By outcome: ok, refused, failed.
    seconds: [Histogram; 3],
    /// Orders refused by a limit, on the paths that take orders.
    orders_overloaded: Option<IntCounter>,
}

impl ObservedRoute {
    fn responded(&self, status: StatusCode, seconds: f64) {
        self.responses.inc(status);
        let outcome = match status.as_u16() {
            0..400 => 0,
            400..500 => 1,
            500.. => 2,
        };
        self.seconds[outcome].observe(seconds);
    }

    fn overloaded(&self, method: &Method) {
        if let (Some(orders), &Method::POST) = (&self.orders_overloaded, method) {
            orders.inc();
        }
    }
}

/// A request in flight; counted until it is dropped, also if its client disconnects.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn begin(observer: &'a Observer) -> Option<Self> {
        observer.metrics.in_flight_requests.inc();
        let this = Self(&observer.metrics);
        (this.0.in_flight_requests.get() <= observer.in_flight_max).then_some(this)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight_requests.dec();
    }
}

/// The middleware around every route except the ops endpoints.
pub async fn observe(
    observer: Data<Observer>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Before the slot and the clock: a client that sends slowly keeps no other from being served.
    let unread = observer.read_body(&mut request).await.err();
    let started = Instant::now();
    let request_id = observer.request_id(&request);

    let trace = observer.traces.begin(|| {
        let traceparent = request.headers().get(TRACEPARENT);
        traceparent.map(HeaderValue::as_bytes)
    });

    let (mut response, failure) = if let Some((problem, rest)) = unread {
        let response = request.into_response(problem.error_response());
        let response = response.map_body(|_, answer| Unread::new(answer, rest).boxed());
        (response, None)
    } else if let Some(_in_flight) = InFlight::begin(&observer) {
        let response = match &trace {
            None => next.call(request).await?,
            // Boxed: few requests are traced, and it would enlarge the future of every request.
            Some(trace) => Box::pin(trace.instrument(next.call(request))).await?,
        };
        with_failure(response.map_into_boxed_body())
    } else {
        (refuse(&observer, request), None)
    };

    response
        .headers_mut()
        .insert(REQUEST_ID, request_id.clone());
    let unmatched;
    let route = match response.request().app_data::<ObservedRoute>() {
        Some(route) => route,
        None => {
            unmatched = observer.route("unmatched");
            &unmatched
        }
    };
    let request_id = request_id.to_str().unwrap_or_default();
    log_admin_call(&response, request_id);
    if let Some(trace) = &trace {
        let reason = failure.as_ref().map(|failure| failure.reason.as_str());
        finish(trace, &response, route, request_id, reason);
    }
    match &failure {
        Some(failure) if observer.failure_log.may_log(failure.code) => {
            failure.log(trace.as_ref(), response.status(), &route.path, request_id);
        }
        Some(_) => {}
        // Refused by a limit: counted, not logged.
        None if response.status().is_server_error() => {
            route.overloaded(response.request().method());
        }
        None => {}
    }
    route.responded(response.status(), started.elapsed().as_secs_f64());
    Ok(response)
}

fn refuse(observer: &Observer, request: ServiceRequest) -> ServiceResponse<BoxBody> {
    observer.metrics.in_flight_limit_hits_total.inc();
    let problem = Problem::new(Kind::Overloaded, "too many requests are in flight");
    request.into_response(problem.error_response())
}

/// A response with its failure, if it has one. The text of an error that is not a [`Problem`] is only for the log: it is
/// replaced by a problem with the code `internal`.
fn with_failure(response: ServiceResponse<BoxBody>) -> (ServiceResponse<BoxBody>, Option<Failure>) {
    let failure = Failure::of(&response);
    let response = match &failure {
        Some(failure) if failure.code == Kind::Internal.code() => {
            let detail = "a bug; the log has the cause under X-Request-Id";
            let problem = Problem::new(Kind::Internal, detail);
            response.into_response(problem.error_response())
        }
        _ => response,
    };
    (response, failure)
}

/// Sets the attributes of a request's span, with the names of OpenTelemetry's semantic conventions where they exist.
fn finish(
    trace: &Trace,
    response: &ServiceResponse<BoxBody>,
    route: &ObservedRoute,
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
    use fluxgate_service::ops::Readiness;
    use prometheus::Registry;
    use serde_json::Value;

    use super::*;
    use crate::config::LimitSettings;

    #[actix_web::test]
    async fn an_error_that_is_not_a_problem_is_answered_as_internal_and_its_text_is_hidden() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, "ingest_api");
        let traces = Traces::default();
        let settings = LimitSettings {
            in_flight_max: 1,
            body_limit_bytes: 256,
            body_timeout_ms: 100,
            http_threads: None,
        };
        let bodies = BodyReader::new(&settings, Readiness::default(), metrics.clone());
        let observer = Data::new(Observer::new(bodies, metrics, traces, 1));
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
