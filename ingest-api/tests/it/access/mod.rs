//! Who may place, read and change what, with and without an identity provider, and how often.

mod buyers;
mod cookies;
mod shop;
mod tries;

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::fixture::tokens::{AUDIENCE, ISSUER, ProviderKey};
use crate::fixture::{App, read};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const IDENTITY: [&str; 6] = [
    "--auth-issuer",
    ISSUER,
    "--auth-audience",
    AUDIENCE,
    "--auth-hs256-secret",
    SECRET,
];

/// An instance whose buyers need tokens of the key.
pub async fn with_identity(more: &[&str]) -> (App, ProviderKey) {
    let settings: Vec<_> = IDENTITY.iter().chain(more).copied().collect();
    let app = App::start(&settings).await;
    (app, ProviderKey::secret(SECRET.as_bytes()))
}

fn order(app: &App, product: &str, key: &str, user: Option<&str>) -> RequestBuilder {
    let mut body = json!({"productId": product});
    if let Some(user) = user {
        body["userId"] = json!(user);
    }
    let post = app.request(Method::POST, "/orders");
    post.header("Idempotency-Key", key).json(&body)
}

/// Sends a request that is refused: its status, code and challenge.
async fn refused(request: RequestBuilder) -> (u16, String, Option<String>) {
    let response = request.send().await.unwrap();
    let challenge = response.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge.map(|it| it.to_str().unwrap().to_owned());
    let (status, body) = read(response).await;
    let code = body["code"].as_str().unwrap_or_default().to_owned();
    (status.as_u16(), code, challenge)
}

fn problem(status: u16, code: &str, challenge: Option<&str>) -> (u16, String, Option<String>) {
    (status, code.to_owned(), challenge.map(str::to_owned))
}

fn unauthorized() -> (u16, String, Option<String>) {
    problem(401, "unauthorized", Some("Bearer"))
}

fn unaccepted(code: &str) -> (u16, String, Option<String>) {
    problem(401, code, Some(r#"Bearer error="invalid_token""#))
}
