//! What buyers may do.

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{IDENTITY, SECRET, order, problem, refused, unaccepted, unauthorized, with_identity};
use crate::fixture::tokens::{ProviderKey, claims, jwks, now};
use crate::fixture::{App, JwksAnswer, JwksServer, Stores, TOKEN, read, unique, until};

#[tokio::test]
async fn a_buyer_orders_as_the_subject_of_the_token() {
    let (app, provider) = with_identity(&[]).await;
    let product = app.sale(10).await;
    let token = provider.buyer("Jörg\u{301} Müller");
    let placed = order(&app, &product, "k", None).bearer_auth(&token).send();
    let (status, body) = read(placed.await.unwrap()).await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(body["userId"], "Jörg\u{301} Müller");
    let named = order(&app, &product, "k", Some("Jörg\u{301} Müller")).bearer_auth(&token);
    let replayed = named.send().await.unwrap();
    assert_eq!(replayed.headers()["Idempotency-Replayed"], "true");
    assert_eq!(read(replayed).await.1["orderId"], body["orderId"]);

    // The same letters in another form are another user: ids are bytes.
    let other = order(&app, &product, "k", Some("Jo\u{308}rg\u{301} Müller")).bearer_auth(&token);
    assert_eq!(refused(other).await, problem(403, "user_mismatch", None));
    let other = order(&app, &product, "k", Some("eve")).bearer_auth(&token);
    assert_eq!(refused(other).await, problem(403, "user_mismatch", None));
    let null = app.request(Method::POST, "/orders").bearer_auth(&token);
    let null = null.header("Idempotency-Key", "k");
    let null = null.json(&json!({"productId": product, "userId": null}));
    assert_eq!(refused(null).await, problem(400, "invalid_request", None));
}

#[tokio::test]
async fn buyers_need_a_token_and_see_their_own_orders_only() {
    let (app, provider) = with_identity(&[]).await;
    let product = app.sale(10).await;
    let (ada, eve) = (provider.buyer("ada"), provider.buyer("eve"));
    let placed = order(&app, &product, "k", None).bearer_auth(&ada).send();
    let (_, placed) = read(placed.await.unwrap()).await;
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    let get = |path: &str| app.request(Method::GET, path);
    let head = app.request(Method::HEAD, &path).bearer_auth(&eve);
    assert_eq!(head.send().await.unwrap().status(), 404);

    let own = get(&path).bearer_auth(&ada).send().await.unwrap();
    assert_eq!(read(own).await.1["userId"], "ada");
    let foreign = read(get(&path).bearer_auth(&eve).send().await.unwrap()).await;
    let unknown = "/orders/01a1fb67-1800-897f-98f2-381895f55db8";
    let unknown = read(get(unknown).bearer_auth(&eve).send().await.unwrap()).await;
    assert_eq!(foreign, unknown);
    assert_eq!(foreign.0, StatusCode::NOT_FOUND);

    let mut expired = claims("ada");
    expired["exp"] = json!(now() - 60);
    let expired = provider.token(&expired);
    let mut no_user = claims("ada");
    no_user["sub"] = json!("a\nb");
    let no_user = provider.token(&no_user);
    let place = || order(&app, &product, "k", Some("ada"));
    for request in [&place, &|| get(&path)] as [&dyn Fn() -> RequestBuilder; 2] {
        assert_eq!(refused(request()).await, unauthorized());
        let basic = request().header(AUTHORIZATION, "Basic YTpi");
        assert_eq!(refused(basic).await, unauthorized());
        let wrong = request().bearer_auth("wrong");
        assert_eq!(refused(wrong).await, unaccepted("invalid_token"));
        let expired = request().bearer_auth(&expired);
        assert_eq!(refused(expired).await, unaccepted("token_expired"));
        let no_user = request().bearer_auth(&no_user);
        assert_eq!(refused(no_user).await, unaccepted("invalid_token"));
    }
    let left = app.get(&format!("/products/{product}")).await.1;
    assert_eq!(left["remaining"], 9);
    let counted = app.metric(r#"access_refusals_total{code="token_expired"}"#);
    assert_eq!(counted.await, 2.0);
    let counted = app.metric(r#"invalid_tokens_total{reason="expired"}"#);
    assert_eq!(counted.await, 2.0);
}

#[tokio::test]
async fn without_identity_a_token_changes_nothing_for_buyers() {
    let app = App::start(&[]).await;
    let product = app.sale(10).await;
    let token = ProviderKey::secret(SECRET.as_bytes()).buyer("eve");
    let placed = order(&app, &product, "k", Some("ada")).bearer_auth(&token);
    let (status, placed) = read(placed.send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &placed["userId"]), (202, &json!("ada")));
    let nobody = order(&app, &product, "k", None).send().await.unwrap();
    let (status, problem) = read(nobody).await;
    assert_eq!(status, 400);
    assert_eq!(problem["detail"], "missing field `userId`");
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    assert_eq!(app.get(&path).await.0, 200);
    let admin = app.request(Method::PUT, "/products/p").bearer_auth(&token);
    assert_eq!(refused(admin).await, unauthorized());
}

#[tokio::test]
async fn an_instance_whose_keys_are_not_loaded_is_not_ready_and_judges_no_buyer() {
    let provider = ProviderKey::rsa("r");
    let server = JwksServer::start(JwksAnswer::Closed).await;
    let url = format!("--auth-jwks-url={}", server.url);
    let [issuer, audience] = [&IDENTITY[..2], &IDENTITY[2..4]];
    let settings = [issuer, audience, &[&*url]].concat();
    let config = Stores::new().await.settings(&settings);
    let app = App::begin(config);
    until("it is not ready because of the keys", async || {
        let (status, report) = app.get("/readyz").await;
        let checks = &report["checks"];
        let is_known = checks["jwks"] != "starting" && checks["redis"] == "ok";
        is_known && status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let token = provider.buyer("ada");
    let early = order(&app, "p", "k", None).bearer_auth(&token);
    assert_eq!(refused(early).await, problem(503, "unavailable", None));
    // The shop's own tokens need no keys.
    let product = app.sale(5).await;
    let shop = order(&app, &product, "k", Some("bob")).bearer_auth(TOKEN);
    assert_eq!(shop.send().await.unwrap().status(), 202);

    server.answer(JwksAnswer::Content(jwks(&[&provider])));
    app.until_ready().await;
    let placed = order(&app, &product, "k", None).bearer_auth(&token);
    assert_eq!(placed.send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn the_original_routes_need_tokens_too() {
    let (app, provider) = with_identity(&["--compat-routes=on"]).await;
    let product = unique("p");
    let init = || {
        let post = app.request(Method::POST, "/init");
        post.json(&json!({"productId": product, "quantity": 5}))
    };
    assert_eq!(refused(init()).await, unauthorized());
    assert_eq!(
        refused(init().bearer_auth(provider.buyer("ada"))).await.0,
        403
    );
    assert_eq!(
        init().bearer_auth(TOKEN).send().await.unwrap().status(),
        200
    );
    let place = |body: Value| {
        let post = app.request(Method::POST, "/order");
        post.header("X-Idempotency-Key", "k").json(&body)
    };
    let ada = provider.buyer("ada");
    let nameless = json!({"productId": product});
    let named = |user: &str| json!({"productId": product, "userId": user});
    assert_eq!(refused(place(named("ada"))).await, unauthorized());
    let eve = place(named("eve")).bearer_auth(&ada);
    assert_eq!(refused(eve).await, problem(403, "user_mismatch", None));
    let placed = place(nameless.clone())
        .bearer_auth(&ada)
        .send()
        .await
        .unwrap();
    assert_eq!(read(placed).await.1["status"], "success");
    let again = place(named("ada")).bearer_auth(&ada).send().await.unwrap();
    assert_eq!(read(again).await.1["status"], "ignored");
    let nobody = place(nameless).bearer_auth(TOKEN).send().await.unwrap();
    let (status, body) = read(nobody).await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (400, &json!("missing field `userId`"))
    );
}
