use actix_cors::Cors;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION, RETRY_AFTER,
};

use crate::config::Origins;

/// What pages may send, besides what browsers always allow.
const REQUEST_HEADERS: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("fluxgate-ticket"),
    HeaderName::from_static("last-event-id"),
];
/// What pages may read, besides what browsers always allow.
const RESPONSE_HEADERS: [HeaderName; 7] = [
    ETAG,
    LOCATION,
    RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-request-id"),
];
/// Seconds for which a browser may remember the answer to a preflight.
const PREFLIGHT_SECONDS: usize = 3_600;

/// Which pages may call from a browser (CORS, Fetch standard 3.2).
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    origins: Origins,
    has_cookies: bool,
}

impl CorsPolicy {
    /// Pages of `origins` may call; if `has_cookies`, also with cookies.
    pub fn new(origins: Origins, has_cookies: bool) -> Self {
        Self {
            origins,
            has_cookies,
        }
    }

    /// The middleware of a path.
    pub fn middleware(&self) -> Cors {
        let cors = Cors::default()
            .allowed_methods(["GET", "HEAD", "PATCH", "POST", "PUT"])
            .allowed_headers(REQUEST_HEADERS)
            .expose_headers(RESPONSE_HEADERS)
            .max_age(PREFLIGHT_SECONDS);
        let cors = match self.has_cookies {
            true => cors.supports_credentials(),
            false => cors,
        };
        let origins = self.origins.iter();
        origins.fold(cors, Cors::allowed_origin)
    }
}
