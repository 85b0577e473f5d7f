use super::*;
use crate::access::with_identity;

#[tokio::test]
async fn a_user_who_lets_orders_expire_gets_no_more() {
    let stores = Stores::new().await;
    let (app, _worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let terms = json!({"holdSeconds": 1, "holdGraceSeconds": 0, "unpaidPerUser": 2});
    let product = app.sale_with_holds(5, terms).await;
    // Open holds do not count.
    let [one, two, paid] = [
        app.place(&product, "ada", 1, "a").await,
        app.place(&product, "ada", 1, "b").await,
        app.place(&product, "ada", 1, "c").await,
    ];
    assert_eq!(app.completed(&paid).await.0, 200);
    for order in [&one, &two] {
        app.until_status(order, "expired").await;
    }
    let (status, problem) = read(app.order(&product, "ada", 1, "d").await).await;
    let seen = (status.as_u16(), &problem["code"]);
    assert_eq!(seen, (409, &json!("unpaid_limit_reached")));
    // What she has is still answered, and others can order.
    let replayed = read(app.order(&product, "ada", 1, "c").await).await.1;
    assert_eq!(replayed["status"], "completed");
    app.place(&product, "bob", 1, "e").await;
}

#[tokio::test]
async fn what_a_buyer_cancels_counts_as_unpaid_and_what_the_shop_cancels_does_not() {
    let (app, provider) = with_identity(&HOLDS).await;
    let terms = json!({"holdSeconds": 600, "buyerCancel": true, "unpaidPerUser": 1});
    let product = app.sale_with_holds(5, terms).await;
    let order = async |user: &str, key: &str| {
        let post = app.request(Method::POST, "/orders");
        let post = post.bearer_auth(provider.buyer(user));
        let post = post.header("Idempotency-Key", key);
        let answer = post.json(&json!({"productId": product})).send().await;
        read(answer.unwrap()).await
    };
    for (user, token, again) in [
        ("ada", provider.buyer("ada"), 409),
        ("bob", TOKEN.to_owned(), 202),
    ] {
        let (_, placed) = order(user, "a").await;
        let path = format!("/orders/{}/cancel", placed["orderId"].as_str().unwrap());
        let cancel = app.request(Method::POST, &path).bearer_auth(token);
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        let (status, answer) = order(user, "b").await;
        assert_eq!(status.as_u16(), again, "{user}: {answer}");
        if again == 409 {
            assert_eq!(answer["code"], "unpaid_limit_reached");
        }
    }
}
