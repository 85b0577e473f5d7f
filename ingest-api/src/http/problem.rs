use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use fluxgate_domain::ids::OrderId;

use crate::orders::{Refusal, StatusError};
use crate::sales::{ChangeError, OpenError, SaleLookupError};

/// Every error the service answers: RFC 9457 `application/problem+json` with a stable `code`.
///
/// Status, code and `Retry-After` are decided here, once.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    retry_after_seconds: Option<u64>,
    order_id: Option<OrderId>,
}

macro_rules! kinds {
    ($($kind:ident = $status:ident, $code:literal, $title:literal;)+) => {
        /// What can be wrong, with status, stable code and title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($kind,)+ }

        impl Kind {
            fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }
            /// Stable.
            pub fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)+ }
            }
            fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }
        }
    };
}

kinds! {
    MissingIdempotencyKey = BAD_REQUEST, "missing_idempotency_key", "Idempotency-Key is missing";
    InvalidRequest = BAD_REQUEST, "invalid_request", "The request is not valid";
    Unauthorized = UNAUTHORIZED, "unauthorized", "The admin token is missing or wrong";
    AdminDisabled = FORBIDDEN, "admin_disabled", "Admin calls are disabled";
    NotFound = NOT_FOUND, "not_found", "There is nothing here";
    UnknownProduct = NOT_FOUND, "unknown_product", "There is no sale of this product";
    UnknownOrder = NOT_FOUND, "unknown_order", "There is no such order";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here";
    SoldOut = CONFLICT, "sold_out", "Everything is sold";
    InsufficientStock = CONFLICT, "insufficient_stock", "Fewer units are left";
    SaleNotOpen = CONFLICT, "sale_not_open", "The sale is not open yet";
    SaleClosed = CONFLICT, "sale_closed", "The sale is over";
    UserLimitReached = CONFLICT, "user_limit_reached", "The limit per buyer is reached";
    SaleExists = CONFLICT, "sale_exists", "The sale exists with other terms";
    OrderRejected = CONFLICT, "order_rejected", "The order was rejected";
    RebuildRequired = CONFLICT, "rebuild_required", "The sale has to be rebuilt";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be JSON";
    KeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The key was used for another order";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Something went wrong here";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "A store does not answer";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Too much is under way";
}

/// Most bytes of a detail: a parser's message may repeat what it was sent.
const DETAIL_MAX_BYTES: usize = 300;

/// What a client should wait before it tries the same again, where nothing better is known.
const RETRY_AFTER_SECONDS: u64 = 1;

impl Problem {
    /// A problem with the words that help its reader.
    pub fn new(kind: Kind, detail: impl fmt::Display) -> Self {
        let passing = matches!(kind, Kind::Unavailable | Kind::Overloaded);
        let mut detail = detail.to_string();
        detail.truncate(detail.floor_char_boundary(DETAIL_MAX_BYTES));
        Self {
            kind,
            detail,
            retry_after_seconds: passing.then_some(RETRY_AFTER_SECONDS),
            order_id: None,
        }
    }

    /// The same, said of an order: for the log.
    pub fn about(mut self, order_id: OrderId) -> Self {
        self.order_id = Some(order_id);
        self
    }

    /// The order that it is about, if it is about one.
    pub fn order_id(&self) -> Option<OrderId> {
        self.order_id
    }

    /// A request that can never succeed as it is.
    pub fn invalid(detail: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidRequest, detail)
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The words for its reader.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.kind.status());
        answer.content_type("application/problem+json");
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if self.kind == Kind::Unauthorized {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        let body = Body {
            kind: "about:blank",
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            code: self.kind.code(),
        };
        answer.body(serde_json::to_string(&body).expect("texts and a number are JSON"))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match &refusal {
            Refusal::UnknownProduct => Kind::UnknownProduct,
            Refusal::NotOpen { .. } => Kind::SaleNotOpen,
            Refusal::Closed => Kind::SaleClosed,
            Refusal::SoldOut => Kind::SoldOut,
            Refusal::Insufficient => Kind::InsufficientStock,
            Refusal::UserLimit => Kind::UserLimitReached,
            Refusal::KeyReused => Kind::KeyReused,
            Refusal::OutboxFull => Kind::Overloaded,
            Refusal::RedisBehind
            | Refusal::Undecided
            | Refusal::Unanswered { .. }
            | Refusal::ReservationStore(_) => Kind::Unavailable,
        };
        let mut problem = Self::new(kind, &refusal);
        if let Refusal::NotOpen { opens_in_ms } = refusal {
            problem.retry_after_seconds = Some(opens_in_ms.div_ceil(1_000).max(1));
        }
        if let Refusal::Unanswered { order_id, .. } = refusal {
            problem = problem.about(order_id);
        }
        problem
    }
}

impl From<SaleLookupError> for Problem {
    fn from(absence: SaleLookupError) -> Self {
        Refusal::from(absence).into()
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Exists => Kind::SaleExists,
            OpenError::RebuildRequired => Kind::RebuildRequired,
            OpenError::Undecided | OpenError::NotPublished | OpenError::ReservationStore(_) => {
                Kind::Unavailable
            }
        };
        Self::new(kind, error)
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let kind = match error {
            ChangeError::Absent(absence) => return absence.into(),
            ChangeError::UnknownOrder => Kind::UnknownOrder,
            ChangeError::NotOpen => Kind::SaleNotOpen,
            ChangeError::Closed => Kind::SaleClosed,
            ChangeError::Rejected => Kind::OrderRejected,
            ChangeError::TooMany => Kind::InvalidRequest,
            ChangeError::KeyReused => Kind::KeyReused,
            ChangeError::RedisBehind
            | ChangeError::NotPublished
            | ChangeError::ReservationStore(_) => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}

impl From<StatusError> for Problem {
    fn from(error: StatusError) -> Self {
        let kind = match &error {
            StatusError::Unknown => Kind::UnknownOrder,
            StatusError::Ledger(_) | StatusError::ReservationStore(_) => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}
