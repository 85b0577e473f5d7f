//! The pages for buyers and for the shop, and what they load.

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    Encoding, EntityTag, Header, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::problem::{Kind, Problem};
use super::request::has_version;
use crate::pages::{EncodedContent, PageFile, Pages};

/// A page loads from its own host only, has no script or style in its HTML, and stands in no frame.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/// For an asset that is opened by itself.
const ASSET_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// A cache in front may answer for a minute, so that an instance is not asked for every page of a crowd.
const PAGE_CACHE: &str = "public, max-age=60";
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// For a page of another version of the service: browsers ask whether it is still the same.
const OTHER_VERSION: &str = "no-cache";

/// `GET /sales/{product}`: the same page for every product; its script asks for the sale.
pub async fn sale(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    answer(&request, pages.sale(), PAGE_POLICY, PAGE_CACHE)
}

/// `GET /board`: the same page for everybody; its script asks for a token.
pub async fn board(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    answer(&request, pages.board(), PAGE_POLICY, PAGE_CACHE)
}

/// `GET /assets/{version}/{name}`
pub async fn asset(
    request: HttpRequest,
    path: Path<(String, String)>,
    pages: Data<Pages>,
) -> Result<HttpResponse, Problem> {
    let (version, name) = path.into_inner();
    let found = pages.asset(&name).and_then(|file| {
        Some(match pages.is_current(&version) {
            true => (file, FOR_GOOD),
            false => (pages.for_other_version(file)?, OTHER_VERSION),
        })
    });
    let (file, cache) = found.ok_or_else(|| Problem::new(Kind::NotFound, "no such asset"))?;
    Ok(answer(&request, file, ASSET_POLICY, cache))
}

fn answer(request: &HttpRequest, file: &PageFile, policy: &str, cache: &str) -> HttpResponse {
    let sent = encoded_for(request, file);
    let tag = EntityTag::new_strong(sent.hash.clone());
    let is_current = has_version(request, &tag);
    let mut answer = match is_current {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    answer.insert_header((CACHE_CONTROL, cache));
    answer.insert_header((ETAG, tag.to_string()));
    answer.insert_header((CONTENT_SECURITY_POLICY, policy));
    answer.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer.insert_header((REFERRER_POLICY, "same-origin"));
    if file.is_compressed() {
        answer.insert_header((VARY, "Accept-Encoding"));
    }
    if is_current {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, file.content_type));
    if sent.encoding != Encoding::identity() {
        answer.insert_header((CONTENT_ENCODING, sent.encoding.to_string()));
    }
    answer.body(sent.content.clone())
}

fn encoded_for<'a>(request: &HttpRequest, file: &'a PageFile) -> &'a EncodedContent {
    match AcceptEncoding::parse(request) {
        Ok(client) => file.accepted_by(&client),
        Err(_) => file.plain(),
    }
}
