use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use fluxgate_domain::ids::OrderId;
use fluxgate_service::traces::Trace;

use super::problem::{Kind, Problem};

/// Log lines about failed requests, per code and period.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

/// Why a request was answered 5xx.
pub struct Failure {
    /// The stable code.
    pub code: &'static str,
    order_id: Option<OrderId>,
    /// The error text, for the log.
    pub reason: String,
}

impl Failure {
    /// The failure of a response, if its status is 5xx. An error that is not a [`Problem`] is a bug and gets the code
    /// `internal`.
    pub fn of(response: &ServiceResponse<BoxBody>) -> Option<Self> {
        if !response.status().is_server_error() {
            return None;
        }
        let error = response.response().error();
        let problem = error.and_then(|error| error.as_error::<Problem>());
        Some(Self {
            code: problem.map_or(Kind::Internal.code(), Problem::code),
            order_id: problem.and_then(Problem::order_id),
            reason: error.map(ToString::to_string).unwrap_or_default(),
        })
    }

    /// Logs the failure: a bug as an error, an unavailable store as a warning.
    pub fn log(&self, trace: Option<&Trace>, status: StatusCode, route: &str, request_id: &str) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request.id = request_id,
                    trace.id = trace.map(|trace| display(trace.id())),
                    order.id = self.order_id.map(display),
                    http.route = route,
                    http.status = status.as_u16(),
                    error = self.reason,
                    "request failed"
                )
            };
        }
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => line!(error),
            _ => line!(warn),
        }
    }
}

/// Limits the log lines about failed requests: in an outage, tens of thousands of requests fail per second, and logging
/// each of them would add load. Clones share the limit.
#[derive(Debug, Clone, Default)]
pub struct FailureLog(Arc<Mutex<HashMap<&'static str, Period>>>);

#[derive(Debug)]
struct Period {
    began: Instant,
    lines: u32,
    suppressed: u64,
}

/// Whether a failure is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// It is logged, as the first of a period.
    First,
    Logged,
    Suppressed,
}

impl FailureLog {
    /// Whether one more failure with `code` may be logged. The first one begins a period; the end of the period logs the
    /// number of suppressed lines.
    pub fn may_log(&self, code: &'static str) -> bool {
        let line = self.count(code, Instant::now());
        if line == Line::First {
            let this = self.clone();
            actix_web::rt::spawn(async move {
                tokio::time::sleep(PERIOD).await;
                let suppressed = this.end_period(code);
                if suppressed > 0 {
                    tracing::warn!(
                        http.code = code,
                        requests = suppressed,
                        "more requests failed; their log lines were suppressed"
                    );
                }
            });
        }
        line != Line::Suppressed
    }

    fn count(&self, code: &'static str, now: Instant) -> Line {
        let mut periods = self.lock();
        let period = periods.entry(code).or_insert(Period {
            began: now,
            lines: 0,
            suppressed: 0,
        });
        // The thread that should have ended the period has stopped.
        if now.saturating_duration_since(period.began) > 2 * PERIOD {
            (period.began, period.lines) = (now, 0);
        }
        if period.lines == LINES_MAX {
            period.suppressed += 1;
            return Line::Suppressed;
        }
        period.lines += 1;
        match period.lines {
            1 => Line::First,
            _ => Line::Logged,
        }
    }

    /// Ends a period; returns the number of suppressed lines.
    fn end_period(&self, code: &'static str) -> u64 {
        let period = self.lock().remove(code);
        period.map_or(0, |period| period.suppressed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Period>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_per_code_and_period_are_logged_and_the_others_counted() {
        let (log, now) = (FailureLog::default(), Instant::now());
        let lines: Vec<_> = (0..25).map(|_| log.count("unavailable", now)).collect();
        assert_eq!(lines[0], Line::First);
        assert!(lines[1..10].iter().all(|line| *line == Line::Logged));
        assert!(lines[10..].iter().all(|line| *line == Line::Suppressed));
        // Another code has its own limit.
        assert_eq!(log.count("overloaded", now), Line::First);

        assert_eq!(log.end_period("unavailable"), 15);
        assert_eq!(log.count("unavailable", now), Line::First);
        assert_eq!(log.end_period("unavailable"), 0);
    }

    #[test]
    fn a_period_that_was_not_ended_is_followed_by_another() {
        let (log, now) = (FailureLog::default(), Instant::now());
        for _ in 0..25 {
            log.count("unavailable", now);
        }
        let later = now + 3 * PERIOD;
        assert_eq!(log.count("unavailable", later), Line::First);
        assert_eq!(log.end_period("unavailable"), 15);
    }
}
