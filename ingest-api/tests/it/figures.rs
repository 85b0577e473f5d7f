//! The figures of a sale, for the shop.

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{App, Stores, TOKEN, Worker, queue, read, unique, until};

impl App {
    pub async fn figures(&self, product: &str) -> Value {
        let path = format!("/products/{product}/figures");
        let get = self.request(Method::GET, &path).bearer_auth(TOKEN);
        let answer = get.send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let (status, figures) = read(answer).await;
        assert_eq!(status, 200, "{figures}");
        figures
    }
}

#[tokio::test]
async fn the_figures_of_a_sale_are_for_admin_calls() {
    let app = App::start(&[]).await;
    let product = app.sale(5).await;
    for product in [&product, "nothing"] {
        let path = format!("/products/{product}/figures");
        let (status, problem) = app.get(&path).await;
        let expected = (StatusCode::UNAUTHORIZED, &json!("unauthorized"));
        assert_eq!((status, &problem["code"]), expected, "{problem}");
    }
    let unknown = app.request(Method::GET, "/products/nothing/figures");
    let (status, problem) = read(unknown.bearer_auth(TOKEN).send().await.unwrap()).await;
    let expected = (StatusCode::NOT_FOUND, &json!("unknown_product"));
    assert_eq!((status, &problem["code"]), expected, "{problem}");
}

#[tokio::test]
async fn every_instance_tells_the_same_figures() {
    let stores = Stores::new().await;
    let features = "--sale-features=holds";
    let apps = [stores.app(&[features]).await, stores.app(&[features]).await];
    let _worker = Worker::start(&stores).await;
    let product = unique("p");
    let terms = json!({"quantity": 10, "holdSeconds": 600});
    assert_eq!(apps[0].open(&product, &terms).await.0, 201);
    let paid = apps[0].place(&product, "ada", 1, "key").await;
    let cancelled = apps[0].place(&product, "bob", 1, "key").await;
    apps[0].place(&product, "cyd", 1, "key").await;
    let path = format!("/orders/{paid}/complete");
    let complete = apps[0].request(Method::POST, &path).bearer_auth(TOKEN);
    assert!(complete.send().await.unwrap().status().is_success());
    assert_eq!(apps[0].cancel(&cancelled).await.0, 200);
    for app in &apps {
        until("the rows are written and nothing waits", async || {
            let figures = app.figures(&product).await;
            figures["ledger"]["sold"] == 2 && figures["outboxEntries"] == 0
        })
        .await;
        let figures = app.figures(&product).await;
        let (_, sale) = app.get(&format!("/products/{product}")).await;
        for (name, value) in sale.as_object().unwrap() {
            assert_eq!(&figures[name], value, "{name}");
        }
        let names = ["orders", "remaining", "held", "completed"];
        let expected = [3, 8, 1, 1].map(|number| json!(number));
        assert_eq!(names.map(|name| figures[name].clone()), expected);
        assert!(figures.get("joinedLate").is_none(), "{figures}");
    }
}

#[tokio::test]
async fn the_time_of_the_figures_goes_on_and_a_sale_without_holds_has_nothing_completed() {
    let app = App::start(&[]).await;
    let product = app.sale(5).await;
    let now = async || -> Timestamp {
        let figures = app.figures(&product).await;
        assert!(figures.get("completed").is_none(), "{figures}");
        figures["now"].as_str().unwrap().parse().unwrap()
    };
    let first = now().await;
    until("time goes on", async || now().await > first).await;
}

#[tokio::test]
async fn entries_that_wait_for_kafka_are_among_the_figures() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(5).await;
    let cut_off = [
        "--kafka-brokers=127.0.0.1:1",
        "--publish-wait-ms=20",
        "--outbox-shared-entries=off",
    ];
    let cut_off = stores.app(&cut_off).await;
    app.stop();
    for user in ["ada", "bob"] {
        let (status, order) = read(cut_off.order(&product, user, 1, "key").await).await;
        let expected = (StatusCode::ACCEPTED, &json!("reserved"));
        assert_eq!((status, &order["status"]), expected, "{order}");
    }
    let figures = cut_off.figures(&product).await;
    let seen = (&figures["outboxEntries"], &figures["orders"]);
    assert_eq!(seen, (&json!(2), &json!(2)), "{figures}");
}

#[tokio::test]
async fn who_joined_after_the_start_is_among_the_figures() {
    let app = App::start(&queue::QUEUE).await;
    let terms = json!({"admitPerSecond": 1});
    let product = queue::sale(&app, 5, 500, terms).await;
    assert_eq!(app.figures(&product).await["joinedLate"], 0);
    app.until_started(&product).await;
    for user in ["ada", "bob"] {
        app.ticket(&product, user).await;
    }
    assert_eq!(app.figures(&product).await["joinedLate"], 2);
}

#[tokio::test]
async fn without_postgresql_the_figures_lack_what_it_knows() {
    let stores = Stores::new().await;
    let away = "--read-database-url=postgres://nobody@127.0.0.1:1/nothing";
    let product = stores.app(&[]).await.sale(5).await;
    let app = stores.app(&[away]).await;
    app.place(&product, "ada", 1, "key").await;
    let figures = app.figures(&product).await;
    assert_eq!(figures["ledger"], Value::Null, "{figures}");
    assert_eq!(figures["remaining"], 4);
}
