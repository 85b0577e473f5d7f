//! Reading a request: the idempotency key, the JSON body, the version that a cache has.

use actix_web::http::header::{CONTENT_TYPE, EntityTag, Header, HeaderName, IfNoneMatch};
use actix_web::{HttpMessage, HttpRequest};
use fluxgate_domain::ids::IdempotencyKey;
use serde::de::DeserializeOwned;

use super::body::Body;
use super::problem::{Kind, Problem};

/// The header of draft-ietf-httpapi-idempotency-key-header, and its earlier name.
const IDEMPOTENCY_KEY: [HeaderName; 2] = [
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-idempotency-key"),
];

/// The idempotency key. It may be sent several times, but not with different values.
///
/// # Errors
/// 400 if the key is missing or invalid, or if two keys differ.
pub fn idempotency_key(request: &HttpRequest) -> Result<IdempotencyKey, Problem> {
    let mut found: Option<IdempotencyKey> = None;
    for value in IDEMPOTENCY_KEY
        .iter()
        .flat_map(|name| request.headers().get_all(name))
    {
        // A value that is not visible ASCII reads as an empty, invalid key.
        let key =
            IdempotencyKey::parse(value.to_str().unwrap_or_default()).map_err(Problem::invalid)?;
        if found.as_ref().is_some_and(|first| *first != key) {
            let detail = "Idempotency-Key was sent with two different values";
            return Err(Problem::invalid(detail));
        }
        found = Some(key);
    }
    found.ok_or_else(|| {
        let detail = "send an Idempotency-Key, and the same one with every retry";
        Problem::new(Kind::MissingIdempotencyKey, detail)
    })
}

/// Whether the client has the version with this tag (`If-None-Match`, RFC 9110, 13.1.2).
pub fn has_version(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|it| it.weak_eq(tag)),
        Err(_) => false,
    }
}

/// Reads a JSON body.
///
/// # Errors
/// 415 if the content type is not JSON, 400 if the body is not a valid `T`; the detail names the
/// field and says what is allowed.
pub fn json_body<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let body = request.extensions_mut().remove();
    let body = body.map(|Body(bytes)| bytes).unwrap_or_default();
    if !is_json(request) {
        let detail = "Content-Type must be application/json";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    // serde would read an array as the fields of `T` in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::invalid("the body must be a JSON object"));
    }
    serde_json::from_slice(&body).map_err(|error| {
        // Read again: only invalid bodies pay for the name of the field.
        let deserializer = &mut serde_json::Deserializer::from_slice(&body);
        let again = serde_path_to_error::deserialize::<_, T>(deserializer);
        let field = again.map_or_else(|error| error.path().to_string(), |_| String::new());
        Problem::invalid(explain(&error, &field))
    })
}

/// What is wrong with a body, from serde's message: without the position, with the field and what is allowed in it.
fn explain(error: &serde_json::Error, field: &str) -> String {
    let text = error.to_string();
    if !error.is_data() {
        return text;
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    let allowed = if text.starts_with("invalid ") {
        // The value, which may be long, is left out.
        text.rsplit_once(", expected ")
    } else if text.starts_with("unknown field ") {
        None
    } else {
        // A domain type calls the field by its own name, which may be another here.
        text.split_once("must be ")
    };
    match allowed {
        Some((_, allowed)) => format!("{field} must be {allowed}"),
        None => text.to_owned(),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
