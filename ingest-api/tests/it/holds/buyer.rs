use super::*;
use crate::access::with_identity;

/// Places an order of one unit as a buyer; returns its id.
async fn place(app: &App, product: &str, token: &str) -> String {
    let post = app.request(Method::POST, "/orders").bearer_auth(token);
    let post = post.header("Idempotency-Key", unique("k"));
    let answer = post.json(&json!({"productId": product})).send().await;
    let (status, order) = read(answer.unwrap()).await;
    assert_eq!(status, 202, "{order}");
    order["orderId"].as_str().unwrap().to_owned()
}

async fn cancel(app: &App, order: &str, token: &str) -> (u16, String) {
    let path = format!("/orders/{order}/cancel");
    let post = app.request(Method::POST, &path).bearer_auth(token);
    let (status, body) = read(post.send().await.unwrap()).await;
    let said = body.get("code").unwrap_or(&body["status"]);
    (status.as_u16(), said.as_str().unwrap().to_owned())
}

fn answer(status: u16, said: &str) -> (u16, String) {
    (status, said.to_owned())
}

#[tokio::test]
async fn buyers_cancel_their_own_unpaid_orders_where_the_sale_allows_it() {
    let (app, provider) = with_identity(&HOLDS).await;
    let terms = json!({"holdSeconds": 600, "buyerCancel": true});
    let allowed = app.sale_with_holds(5, terms).await;
    let refused = app.sale_with_holds(5, json!({"holdSeconds": 600})).await;
    let plain = app.sale(5).await;
    let (ada, eve) = (provider.buyer("ada"), provider.buyer("eve"));
    let forbidden = answer(403, "insufficient_scope");

    let own = place(&app, &allowed, &ada).await;
    assert_eq!(cancel(&app, &own, &eve).await, forbidden);
    for _ in 0..2 {
        assert_eq!(cancel(&app, &own, &ada).await, answer(200, "cancelled"));
    }
    let stock = app.stock(&allowed).await;
    assert_eq!(stock, [json!(5), json!(0), json!("open")]);

    let paid = place(&app, &allowed, &ada).await;
    app.completed(&paid).await;
    assert_eq!(cancel(&app, &paid, &ada).await, answer(409, "no_hold"));
    assert_eq!(app.cancel(&paid).await.0, 200);

    for product in [&refused, &plain] {
        let order = place(&app, product, &ada).await;
        assert_eq!(cancel(&app, &order, &ada).await, forbidden);
        assert_eq!(cancel(&app, &order, TOKEN).await, answer(200, "cancelled"));
    }
    for unknown in ["no-id", "01a1fb67-1800-897f-98f2-381895f55db8"] {
        assert_eq!(cancel(&app, unknown, &ada).await, forbidden);
    }
}
