use actix_web::http::StatusCode;

macro_rules! kinds {
    ($($kind:ident = $status:ident, $code:literal, $title:literal;)+) => {
        /// The kinds of problems, each with status, stable code and title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($kind,)+ }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$kind,)+];

            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }
            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)+ }
            }
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }
        }
    };
}

kinds! {
    MissingIdempotencyKey = BAD_REQUEST, "missing_idempotency_key", "Idempotency-Key is missing";
    InvalidRequest = BAD_REQUEST, "invalid_request", "The request is invalid";
    Unauthorized = UNAUTHORIZED, "unauthorized", "The token is missing or wrong";
    InvalidToken = UNAUTHORIZED, "invalid_token", "The token is not accepted";
    TokenExpired = UNAUTHORIZED, "token_expired", "The token has expired";
    InsufficientScope = FORBIDDEN, "insufficient_scope", "The token does not allow this call";
    TicketRequired = FORBIDDEN, "ticket_required", "A ticket is required";
    InvalidTicket = FORBIDDEN, "invalid_ticket", "The ticket is not accepted";
    WorkRequired = FORBIDDEN, "work_required", "A proof of work is required";
    InvalidWork = FORBIDDEN, "invalid_work", "The proof of work is not accepted";
    UserMismatch = FORBIDDEN, "user_mismatch", "The token is another user's";
    OriginNotAllowed = FORBIDDEN, "origin_not_allowed", "The origin is not allowed";
    AdminDisabled = FORBIDDEN, "admin_disabled", "Admin calls are disabled";
    NotFound = NOT_FOUND, "not_found", "No such path";
    UnknownProduct = NOT_FOUND, "unknown_product", "No sale of this product";
    UnknownOrder = NOT_FOUND, "unknown_order", "No such order";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed";
    SoldOut = CONFLICT, "sold_out", "The sale is sold out";
    InsufficientStock = CONFLICT, "insufficient_stock", "Not enough units are left";
    SaleNotOpen = CONFLICT, "sale_not_open", "The sale is not open yet";
    SaleClosed = CONFLICT, "sale_closed", "The sale is closed";
    UserLimitReached = CONFLICT, "user_limit_reached", "The limit per user is reached";
    UnpaidLimitReached = CONFLICT, "unpaid_limit_reached", "The limit of unpaid orders is reached";
    NoQueue = CONFLICT, "no_queue", "The sale has no queue";
    JoinNotOpen = CONFLICT, "join_not_open", "The queue is not open yet";
    JoinEnded = CONFLICT, "join_ended", "The queue takes nobody any more";
    NotYourTurn = CONFLICT, "not_your_turn", "It is not the turn of the ticket yet";
    TurnOver = CONFLICT, "turn_over", "The turn of the ticket is over";
    SaleExists = CONFLICT, "sale_exists", "The sale exists with other terms";
    OrderCancelled = CONFLICT, "order_cancelled", "The order was cancelled";
    OrderExpired = CONFLICT, "order_expired", "The order was not paid in time";
    NoHold = CONFLICT, "no_hold", "The order has no hold";
    OrderRejected = CONFLICT, "order_rejected", "The order was rejected";
    FeatureDisabled = CONFLICT, "feature_disabled", "The feature is not enabled";
    RebuildRequired = CONFLICT, "rebuild_required", "The sale must be rebuilt";
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "The request took too long";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be JSON";
    KeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The Idempotency-Key was used before";
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "The rate limit is reached";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Internal error";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable";
    QueueSecretMissing = SERVICE_UNAVAILABLE, "queue_secret_missing", "This instance lacks the secret of the queue";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded";
}

impl Kind {
    /// The kind with this code; [`Self::Internal`] if there is none.
    pub(super) fn of_code(code: &str) -> Self {
        let found = Self::ALL.iter().find(|kind| kind.code() == code);
        found.copied().unwrap_or(Self::Internal)
    }

    /// The value of `WWW-Authenticate` (RFC 6750, 3).
    pub(super) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => Some("Bearer"),
            Self::InvalidToken | Self::TokenExpired => Some("Bearer error=\"invalid_token\""),
            Self::InsufficientScope => Some("Bearer error=\"insufficient_scope\""),
            _ => None,
        }
    }
}
