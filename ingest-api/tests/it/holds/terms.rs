use super::*;
use crate::program::run_with;

#[tokio::test]
async fn a_sale_shows_its_holds_with_the_defaults() {
    let app = App::start(&HOLDS).await;
    let product = unique("p");
    let terms = json!({"quantity": 2, "holdSeconds": 60});
    for expected in [201, 200] {
        let (status, sale) = app.open(&product, &terms).await;
        assert_eq!(status, expected, "{sale}");
        assert_eq!(sale["holdSeconds"], 60);
        assert_eq!(sale["holdGraceSeconds"], 30);
        assert_eq!(sale["unpaidPerUser"], 2);
        assert_eq!(sale["buyerCancel"], false);
        assert_eq!(sale["held"], 0);
    }
    let plain = app.sale(1).await;
    let (_, sale) = app.get(&format!("/products/{plain}")).await;
    for absent in [
        "holdSeconds",
        "holdGraceSeconds",
        "unpaidPerUser",
        "buyerCancel",
        "held",
    ] {
        assert!(sale.get(absent).is_none(), "{sale}");
    }
}

#[tokio::test]
async fn terms_of_holds_need_holds_and_holds_need_the_feature() {
    let app = App::start(&HOLDS).await;
    for term in ["holdGraceSeconds", "unpaidPerUser", "buyerCancel"] {
        let value = if term == "buyerCancel" {
            json!(false)
        } else {
            json!(1)
        };
        let (status, problem) = app
            .open(&unique("p"), &json!({"quantity": 1, term: value}))
            .await;
        assert_eq!(status, 400);
        assert_eq!(problem["detail"], format!("{term} needs holdSeconds"));
    }
    let without = App::start(&[]).await;
    let terms = json!({"quantity": 1, "holdSeconds": 60});
    let (status, problem) = without.open(&unique("p"), &terms).await;
    let seen = (status.as_u16(), &problem["code"], &problem["detail"]);
    let detail = "holdSeconds needs the feature `holds` in SALE_FEATURES";
    assert_eq!(seen, (409, &json!("feature_disabled"), &json!(detail)));
}

#[tokio::test]
async fn an_amendment_changes_terms_of_holds_but_neither_adds_nor_removes_holds() {
    let more = [HOLDS[0], HOLDS[1], "--sale-amendments=on"];
    let app = App::start(&more).await;
    let (with, without) = (unique("p"), unique("p"));
    let (plain, holds) = (
        json!({"quantity": 3}),
        json!({"quantity": 3, "holdSeconds": 60}),
    );
    assert_eq!(app.open(&with, &holds).await.0, 201);
    assert_eq!(app.open(&without, &plain).await.0, 201);
    for (product, other) in [(&with, &plain), (&without, &holds)] {
        let (status, problem) = app.open(product, other).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (409, &json!("sale_exists"))
        );
        assert_eq!(
            problem["detail"],
            "the sale exists with other terms: holdSeconds"
        );
    }
    // The terms of the first view are remembered nowhere: the order shows those that it was placed under.
    assert_eq!(
        app.get(&format!("/products/{with}")).await.1["holdSeconds"],
        60
    );
    let longer = json!({"quantity": 3, "holdSeconds": 600, "unpaidPerUser": 1});
    let (status, sale) = app.open(&with, &longer).await;
    assert_eq!(status, 200, "{sale}");
    assert_eq!(
        (&sale["holdSeconds"], &sale["unpaidPerUser"]),
        (&json!(600), &json!(1))
    );
    let (_, order) = read(app.order(&with, "ada", 1, "a").await).await;
    let id = order["orderId"].as_str().unwrap();
    let (_, shown) = app.get(&format!("/orders/{id}")).await;
    let time = |value: &Value| -> jiff::Timestamp { value.as_str().unwrap().parse().unwrap() };
    let left = time(&shown["expiresAt"]).duration_since(time(&shown["placedAt"]));
    assert_eq!(left.as_secs(), 600);
    assert_eq!(order["expiresAt"], shown["expiresAt"]);
}

#[tokio::test]
async fn the_stock_is_told_apart_by_what_is_held_and_what_is_paid() {
    let stores = Stores::new().await;
    let (app, _worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let product = app.sale_with_holds(2, json!({"holdSeconds": 600})).await;
    let tag = async || {
        let path = format!("/products/{product}");
        let answer = app.request(Method::GET, &path).send().await.unwrap();
        answer.headers()["etag"].to_str().unwrap().to_owned()
    };
    let [ada, bob] = [
        app.place(&product, "ada", 1, "a").await,
        app.place(&product, "bob", 1, "b").await,
    ];
    until("both units are held", async || {
        app.stock(&product).await == [json!(0), json!(2), json!("all_held")]
    })
    .await;
    let (refused, problem) = read(app.order(&product, "cid", 1, "c").await).await;
    assert_eq!(
        (refused.as_u16(), &problem["code"]),
        (409, &json!("sold_out"))
    );
    let all_held = tag().await;
    assert_eq!(app.completed(&ada).await.0, 200);
    assert_eq!(
        app.stock(&product).await,
        [json!(0), json!(1), json!("all_held")]
    );
    let one_held = tag().await;
    assert_eq!(app.completed(&bob).await.0, 200);
    assert_eq!(
        app.stock(&product).await,
        [json!(0), json!(0), json!("sold_out")]
    );
    let sold_out = tag().await;
    assert!(all_held != one_held && one_held != sold_out && all_held != sold_out);
}

#[test]
fn holds_need_postgresql() {
    let (code, error) = run_with(&[
        ("SALE_FEATURES", "holds"),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ]);
    assert_eq!(code, Some(2), "{error}");
    for variable in ["SALE_FEATURES", "READ_DATABASE_URL", "DATABASE_URL"] {
        assert!(error.contains(variable), "{error}");
    }
}
