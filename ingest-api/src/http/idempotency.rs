use actix_web::HttpRequest;
use fluxgate_domain::ids::IdempotencyKey;

use super::problem::{Kind, Problem};

/// The header of IETF draft-ietf-httpapi-idempotency-key-header, and the name it had before.
const NAMES: [&str; 2] = ["idempotency-key", "x-idempotency-key"];

/// The key of a request. It may be given more than once, but never two different ones.
///
/// # Errors
/// 400 when there is none, when it is not a key, or when two differ.
pub fn key(request: &HttpRequest) -> Result<IdempotencyKey, Problem> {
    let mut found: Option<IdempotencyKey> = None;
    for value in NAMES
        .iter()
        .flat_map(|name| request.headers().get_all(*name))
    {
        // Only visible ASCII is a key, so whatever is not even text is refused like any other.
        let key =
            IdempotencyKey::parse(value.to_str().unwrap_or_default()).map_err(Problem::invalid)?;
        if found.as_ref().is_some_and(|first| *first != key) {
            return Err(Problem::invalid(
                "two different idempotency keys were given",
            ));
        }
        found = Some(key);
    }
    found.ok_or_else(|| {
        let detail = "send an Idempotency-Key of your own choice, and the same one with a retry";
        Problem::new(Kind::MissingIdempotencyKey, detail)
    })
}
