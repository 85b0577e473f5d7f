use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use fluxgate_domain::ids::OrderId;
use fluxgate_service::traces::Trace;

use super::problem::{Kind, Problem};

/// Lines about failed requests with one code, in one period.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

/// Why a request failed here, and not by its own fault.
pub struct Failure {
    /// Stable.
    pub code: &'static str,
    order_id: Option<OrderId>,
    /// For the log.
    pub reason: String,
}

impl Failure {
    /// Of an answer, if it is one. An error that is no [`Problem`] is a bug, whatever it says.
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

    /// The one line about it: a bug is an error, a store that is away is a warning.
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

/// Bounds what is logged about failed requests: when all fail, they do so by the ten thousand a second,
/// and the log would be one more load. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<Mutex<HashMap<&'static str, Period>>>);

#[derive(Debug)]
struct Period {
    began: Instant,
    lines: u32,
    more: u64,
}

impl Failures {
    /// Whether one more request that failed with `code` gets a line. Begins a period where none runs; its
    /// end tells how many got none.
    pub fn get_a_line(&self, code: &'static str) -> bool {
        let (first, gets) = self.note(code, Instant::now());
        if first {
            let this = self.clone();
            actix_web::rt::spawn(async move {
                tokio::time::sleep(PERIOD).await;
                let more = this.end(code);
                if more > 0 {
                    tracing::warn!(http.code = code, requests = more, "more requests failed");
                }
            });
        }
        gets
    }

    /// Whether it is the first of a period, and whether it gets a line.
    fn note(&self, code: &'static str, now: Instant) -> (bool, bool) {
        let mut periods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let period = periods.entry(code).or_insert(Period {
            began: now,
            lines: 0,
            more: 0,
        });
        // Nobody has ended it: the thread that was to do so has ended itself.
        if now.saturating_duration_since(period.began) > 2 * PERIOD {
            (period.began, period.lines) = (now, 0);
        }
        let first = period.lines == 0;
        let gets = period.lines < LINES_MAX;
        if gets {
            period.lines += 1;
        } else {
            period.more += 1;
        }
        (first, gets)
    }

    /// Ends a period; returns how many got no line.
    fn end(&self, code: &'static str) -> u64 {
        let mut periods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        periods.remove(code).map_or(0, |period| period.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_period_get_a_line_and_the_others_are_counted() {
        let (failures, now) = (Failures::default(), Instant::now());
        let noted: Vec<_> = (0..25).map(|_| failures.note("unavailable", now)).collect();
        assert_eq!(noted[0], (true, true));
        assert_eq!(noted.iter().filter(|(first, _)| *first).count(), 1);
        assert_eq!(noted.iter().filter(|(_, gets)| *gets).count(), 10);
        // Another code has lines of its own.
        assert_eq!(failures.note("overloaded", now), (true, true));

        assert_eq!(failures.end("unavailable"), 15);
        assert_eq!(failures.note("unavailable", now), (true, true));
        assert_eq!(failures.end("unavailable"), 0);
    }

    #[test]
    fn a_period_that_nobody_ends_is_followed_by_another() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..25 {
            failures.note("unavailable", now);
        }
        let later = now + 3 * PERIOD;
        assert_eq!(failures.note("unavailable", later), (true, true));
        assert_eq!(failures.end("unavailable"), 15);
    }
}
