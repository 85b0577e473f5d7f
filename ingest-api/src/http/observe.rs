use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};
use fluxgate_traces::{TRACEPARENT, Trace, Traces};
use prometheus::Histogram;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use crate::metrics::{Counters, Metrics};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Most bytes of a request id that a client may choose.
const REQUEST_ID_MAX_BYTES: usize = 128;

/// Watches every request: gives it an id, bounds how many are under way, counts, times and perhaps traces it.
pub struct Observer {
    metrics: Metrics,
    traces: Traces,
    in_flight_max: i64,
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
            id_prefix: Uuid::new_v4().simple().to_string()[..12].to_owned(),
            next_id: AtomicU64::new(1),
        }
    }

    /// A route to be watched.
    pub fn route(&self, path: &str) -> Route {
        let (requests, owned) = (self.metrics.http_requests_total.clone(), path.to_owned());
        let seconds = &self.metrics.http_request_seconds;
        Route {
            path: path.to_owned(),
            answers: Counters::new(move |status: StatusCode| {
                requests.with_label_values(&[owned.as_str(), status.as_str()])
            }),
            seconds: ["ok", "refused", "failed"].map(|it| seconds.with_label_values(&[path, it])),
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

    let mut response = match UnderWay::begin(&observer) {
        Some(_under_way) => match &trace {
            None => next.call(request).await?,
            Some(trace) => trace.around(next.call(request)).await?,
        }
        .map_into_boxed_body(),
        None => {
            observer.metrics.in_flight_limit_hits_total.inc();
            let problem = Problem::new(Kind::Overloaded, "too many requests are under way");
            let answer = problem.error_response();
            request.into_response(answer)
        }
    };

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
        finish(trace, &response, route, request_id);
    }
    let status = response.status();
    if status.is_server_error() {
        log_failure(trace.as_ref(), &response, route, request_id);
    }
    route.answered(status, started.elapsed().as_secs_f64());
    Ok(response)
}

/// By the names of OpenTelemetry's semantic conventions, where it has some.
fn finish(trace: &Trace, response: &ServiceResponse<BoxBody>, route: &Route, request_id: &str) {
    let method = response.request().method().as_str();
    trace.name(format!("{method} {}", route.path));
    trace.note("http.request.method", method.to_owned());
    trace.note("http.route", route.path.clone());
    trace.note(
        "http.response.status_code",
        i64::from(response.status().as_u16()),
    );
    trace.note("request.id", request_id.to_owned());
    if response.status().is_server_error() {
        trace.fail(reason(response).unwrap_or_default());
    }
}

/// The one line about a request that failed here.
fn log_failure(
    trace: Option<&Trace>,
    response: &ServiceResponse<BoxBody>,
    route: &Route,
    request_id: &str,
) {
    let problem = response.response().error();
    let order = problem.and_then(|error| error.as_error::<Problem>()?.order_id());
    tracing::warn!(
        request.id = request_id,
        trace.id = trace.map(|trace| display(trace.id())),
        order.id = order.map(display),
        http.route = route.path,
        http.status = response.status().as_u16(),
        error = reason(response),
        "request failed"
    );
}

fn reason(response: &ServiceResponse<BoxBody>) -> Option<String> {
    response.response().error().map(ToString::to_string)
}
