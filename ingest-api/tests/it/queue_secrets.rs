//! Instances that lack the secret of a sale with a queue.

use reqwest::Method;
use serde_json::json;

use crate::fixture::queue::{QUEUE, SECRET, refused, sale};
use crate::fixture::{App, Stores, read, until};

const OTHER: &str = "another secret of more than 32 bytes";
const WITHOUT_SECRET: &str = "sales_without_queue_secret";

fn with_secrets(secrets: &str) -> [&str; 4] {
    [QUEUE[0], QUEUE[1], QUEUE[2], secrets]
}

async fn until_not_ready(app: &App, product: &str) {
    until("the instance is not ready", async || {
        let (status, report) = app.get("/readyz").await;
        let reason = report["checks"]["queue_secrets"].as_str();
        status == 503 && reason.is_some_and(|it| it.contains(product))
    })
    .await;
}

#[tokio::test]
async fn an_instance_without_the_secret_of_a_sale_answers_its_buyers_with_503() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    app.until_started(&product).await;
    let ticket = app.ticket(&product, "ada").await;
    let missing = refused(503, "queue_secret_missing");
    for (settings, user) in [(&with_secrets(OTHER)[..], "eve"), (&[], "carol")] {
        let other = App::begin(stores.settings(settings));
        until("it is connected", async || {
            other.get("/readyz").await.1["checks"]["redis"] == "ok"
        })
        .await;
        let (status, problem) = other.join(&product, "bob").await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (503, &json!(missing.1))
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("QUEUE_SECRETS"), "{problem}");
        let state = other.request(Method::GET, &format!("/queue/{product}"));
        let state = state.send().await.unwrap();
        assert_eq!(state.headers()["retry-after"], "1");
        let (status, problem) = read(state).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (503, &json!(missing.1))
        );
        let order = other.buy(&product, "ada", "a", Some(&ticket)).await;
        assert_eq!(order, missing);
        assert_eq!(other.buy_as_admin(&product, user).await, 202);
        assert_eq!(other.get(&format!("/products/{product}")).await.0, 200);
        until_not_ready(&other, &product).await;
    }
    let both = format!("{OTHER},{SECRET}");
    let rolled = stores.app(&with_secrets(&both)).await;
    rolled.until_turn(&product, &ticket).await;
    assert_eq!(rolled.buy(&product, "ada", "a", Some(&ticket)).await.0, 202);
}

#[tokio::test]
async fn an_instance_is_not_ready_until_the_sales_are_over_whose_secret_it_lacks() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let other = stores.app(&with_secrets(OTHER)).await;
    assert_eq!(other.metric(WITHOUT_SECRET).await, 0.0);
    let plain = other.sale(1).await;
    let products = [
        sale(&app, 9, 3_600_000, json!({"admitPerSecond": 100})).await,
        sale(&app, 9, 0, json!({"admitPerSecond": 100})).await,
    ];
    // Nobody has asked it for their queues.
    for product in &products {
        until_not_ready(&other, product).await;
    }
    until("both are counted", async || {
        other.metric(WITHOUT_SECRET).await == 2.0
    })
    .await;
    let (_, report) = other.get("/readyz").await;
    assert!(!report.to_string().contains(&plain), "{report}");
    assert_eq!(app.get("/readyz").await.0, 200);

    for product in products {
        app.close_sale(&product).await;
    }
    other.until_ready().await;
    assert_eq!(other.metric(WITHOUT_SECRET).await, 0.0);
}

#[tokio::test]
async fn an_instance_is_not_ready_when_an_amendment_gives_a_sale_a_secret_that_it_lacks() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let rolled = format!("{OTHER},{SECRET}");
    let amending = [&with_secrets(&rolled)[..], &["--sale-amendments=on"]].concat();
    let rolled = stores.app(&amending).await;
    let starts_in_ms = 3_600_000;
    let product = sale(&app, 9, starts_in_ms, json!({"admitPerSecond": 100})).await;
    // When it has noticed a later sale, it has looked at this one.
    let later = sale(&rolled, 9, starts_in_ms, json!({"admitPerSecond": 100})).await;
    until_not_ready(&app, &later).await;

    let (_, mut terms) = app.get(&format!("/products/{product}")).await;
    let amended = json!({
        "quantity": 9,
        "perUserLimit": 1,
        "opensAt": terms["opensAt"].take(),
        "queue": {"admitPerSecond": 50},
    });
    let (status, amended) = rolled.open(&product, &amended).await;
    assert_eq!(status, 200, "{amended}");
    until("the amendment is noticed", async || {
        app.join(&product, "bob").await.0 == 503
    })
    .await;
    until("both are counted", async || {
        app.metric(WITHOUT_SECRET).await == 2.0
    })
    .await;
    rolled.close_sale(&later).await;
    until("a look has dropped the closed sale", async || {
        app.metric(WITHOUT_SECRET).await == 1.0
    })
    .await;
    until_not_ready(&app, &product).await;
}

#[tokio::test]
async fn an_instance_without_the_secret_of_a_closed_sale_says_that_it_is_closed() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    app.until_started(&product).await;
    let ticket = app.ticket(&product, "ada").await;
    app.until_turn(&product, &ticket).await;
    let placed = app.buy(&product, "ada", "a", Some(&ticket)).await;
    assert_eq!(placed.0, 202);
    app.close_sale(&product).await;

    let closed = refused(409, "sale_closed");
    for settings in [&with_secrets(OTHER)[..], &[]] {
        let other = stores.app(settings).await;
        let joined = other.join(&product, "bob").await;
        let state = other.get(&format!("/queue/{product}")).await;
        for (status, problem) in [joined, state] {
            assert_eq!((status.as_u16(), &problem["code"]), (409, &json!(closed.1)));
        }
        assert_eq!(other.buy(&product, "bob", "b", None).await, closed);
        let refused = other.metric(r#"orders_total{outcome="sale_closed"}"#);
        assert_eq!(refused.await, 1.0);
        let replayed = other.buy(&product, "ada", "a", Some(&ticket)).await;
        assert_eq!(replayed.0, 202);
    }
}
