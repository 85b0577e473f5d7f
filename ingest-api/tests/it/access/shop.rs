//! What the shop may do.

use reqwest::Method;
use serde_json::{Value, json};

use super::{IDENTITY, SECRET, order, problem, refused, unaccepted, unauthorized, with_identity};
use crate::fixture::tokens::{ProviderKey, claims};
use crate::fixture::{App, Stores, TOKEN, read, unique};

#[tokio::test]
async fn the_shop_acts_for_any_user() {
    let (app, provider) = with_identity(&[]).await;
    let product = app.sale(10).await;
    for (n, token) in [TOKEN.to_owned(), provider.shop("backend")]
        .iter()
        .enumerate()
    {
        let (key, user) = (format!("k{n}"), format!("user-{n}"));
        let placed = order(&app, &product, &key, Some(&user)).bearer_auth(token);
        let (status, placed) = read(placed.send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &placed["userId"]), (202, &json!(user)));
        let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
        let seen = app.request(Method::GET, &path).bearer_auth(token).send();
        assert_eq!(read(seen.await.unwrap()).await.1["userId"], user.as_str());
        let nobody = order(&app, &product, &key, None).bearer_auth(token);
        assert_eq!(refused(nobody).await, problem(400, "invalid_request", None));
        let cancel = app.request(Method::POST, &format!("{path}/cancel"));
        let cancelled = cancel.bearer_auth(token).send().await.unwrap();
        assert_eq!(cancelled.status(), 200);
    }
}

#[tokio::test]
async fn admin_calls_need_an_admin_token_or_the_claim() {
    let (app, provider) =
        with_identity(&["--admin-token=first-admin-token,board second-admin-token"]).await;
    let put = || {
        let put = app.request(Method::PUT, &format!("/products/{}", unique("p")));
        put.json(&json!({"quantity": 1}))
    };
    for token in [
        "first-admin-token",
        "second-admin-token",
        &provider.shop("backend"),
    ] {
        assert_eq!(put().bearer_auth(token).send().await.unwrap().status(), 201);
    }
    assert_eq!(refused(put()).await, unauthorized());
    let third = put().bearer_auth("third-admin-token");
    assert_eq!(refused(third).await, unaccepted("invalid_token"));
    let both = put().bearer_auth("first-admin-token,board second-admin-token");
    assert_eq!(refused(both).await, unaccepted("invalid_token"));
    let scope = problem(
        403,
        "insufficient_scope",
        Some(r#"Bearer error="insufficient_scope""#),
    );
    for path in [
        "/products/p/restock",
        "/products/p/close",
        "/orders/x/cancel",
    ] {
        let call = app
            .request(Method::POST, path)
            .bearer_auth(provider.buyer("ada"));
        assert_eq!(refused(call).await, scope, "{path}");
    }
    assert_eq!(
        refused(put().bearer_auth(provider.buyer("ada"))).await,
        scope
    );
}

#[tokio::test]
async fn the_claim_alone_allows_admin_calls() {
    let mut settings = IDENTITY.to_vec();
    settings.push("--auth-shop-claim=roles=shop-admin");
    let mut config = Stores::new().await.settings(&settings);
    config.admin.admin_token = None;
    let app = App::run(config).await;
    let provider = ProviderKey::secret(SECRET.as_bytes());
    let put = |claims: &Value| {
        let put = app.request(Method::PUT, &format!("/products/{}", unique("p")));
        put.json(&json!({"quantity": 1}))
            .bearer_auth(provider.token(claims))
    };
    let mut admin = claims("backend");
    admin["roles"] = json!(["viewer", "shop-admin"]);
    assert_eq!(put(&admin).send().await.unwrap().status(), 201);
    let mut other = claims("backend");
    other["scope"] = json!("fluxgate:shop");
    assert_eq!(refused(put(&other)).await.1, "insufficient_scope");
}
