//! Tokens in a cookie.

use reqwest::Method;
use reqwest::header::{COOKIE, HOST, ORIGIN};

use super::{order, problem, refused, unaccepted, with_identity};
use crate::fixture::{TOKEN, read};

#[tokio::test]
async fn a_cookie_may_hold_the_token_if_the_page_is_of_this_host_or_listed() {
    let (app, provider) =
        with_identity(&["--auth-cookie=token", "--cors-origins=https://shop.example"]).await;
    let product = app.sale(10).await;
    let cookie = format!("theme=dark; token={}; token=other", provider.buyer("ada"));
    let place = |key: &str| order(&app, &product, key, None).header(COOKIE, &cookie);
    let own = format!("http://{}", app.address());
    let (_, placed) = read(place("k").header(ORIGIN, &own).send().await.unwrap()).await;
    assert_eq!(placed["userId"], "ada", "{placed}");
    let own = place("k")
        .header(HOST, "api.example")
        .header(ORIGIN, "https://api.example");
    assert_eq!(own.send().await.unwrap().status(), 202);
    let listed = place("k").header(ORIGIN, "https://shop.example");
    assert_eq!(listed.send().await.unwrap().status(), 202);
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    let seen = app.request(Method::GET, &path).header(COOKIE, &cookie);
    assert_eq!(seen.send().await.unwrap().status(), 200);

    let origin = problem(403, "origin_not_allowed", None);
    assert_eq!(refused(place("other")).await, origin);
    for other in [
        "https://evil.example",
        "null",
        "https://shop.example.evil.example",
        "",
    ] {
        let other = place("other").header(ORIGIN, other);
        assert_eq!(refused(other).await, origin);
    }
    let shop = format!("token={}", provider.shop("backend"));
    let admin = app
        .request(Method::PUT, "/products/p")
        .header(COOKIE, &shop);
    assert_eq!(refused(admin).await, origin);
    // What no other page can send needs no origin, and an admin token is never in the cookie.
    let header = place("h").bearer_auth(provider.buyer("bob")).send().await;
    let (_, header) = read(header.unwrap()).await;
    assert_eq!(header["userId"], "bob");
    let admin = app
        .request(Method::GET, &path)
        .header(COOKIE, format!("token={TOKEN}"));
    assert_eq!(refused(admin).await, unaccepted("invalid_token"));
}
