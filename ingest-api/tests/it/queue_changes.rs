//! Queues that the shop changes while people wait in them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::queue::{QUEUE, refused, sale};
use crate::fixture::{App, EventStream, Stores, TOKEN, read, unique, until};

impl App {
    async fn change_queue(&self, product: &str, key: &str, patch: Value) -> (StatusCode, Value) {
        let request = self.request(Method::PATCH, &format!("/queue/{product}"));
        let request = request.bearer_auth(TOKEN).header("Idempotency-Key", key);
        read(request.json(&patch).send().await.unwrap()).await
    }

    async fn changed(&self, product: &str, key: &str, patch: Value) -> Value {
        let (status, sale) = self.change_queue(product, key, patch).await;
        assert_eq!(status, 200, "{sale}");
        sale
    }

    async fn until_state(&self, product: &str, field: &str, value: Value) {
        until("the state is shown", async || {
            self.state(product).await[field] == value
        })
        .await;
    }
}

fn code(answer: &(StatusCode, Value)) -> (u16, String) {
    let code = answer.1["code"].as_str().unwrap_or_default();
    (answer.0.as_u16(), code.to_owned())
}

#[tokio::test]
async fn only_the_shop_changes_a_queue_and_only_one_that_there_is() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let path = format!("/queue/{product}");
    let patch = json!({"paused": true});
    let anybody = app.request(Method::PATCH, &path).json(&patch);
    let answer = read(anybody.send().await.unwrap()).await;
    assert_eq!(code(&answer), refused(401, "unauthorized"));
    let shop = app.request(Method::PATCH, &path).bearer_auth(TOKEN);
    let answer = read(shop.json(&patch).send().await.unwrap()).await;
    assert_eq!(code(&answer), refused(400, "missing_idempotency_key"));
    let state = app.state(&product).await;
    assert_eq!(
        (&state["paused"], &state["mode"]),
        (&json!(false), &json!("queue"))
    );

    let answer = app.change_queue(&unique("p"), "a", patch.clone()).await;
    assert_eq!(code(&answer), refused(404, "unknown_product"));
    let plain = app.sale(1).await;
    let answer = app.change_queue(&plain, "a", patch.clone()).await;
    assert_eq!(code(&answer), refused(409, "no_queue"));
    app.close_sale(&product).await;
    let answer = app.change_queue(&product, "a", patch).await;
    assert_eq!(code(&answer), refused(409, "sale_closed"));
}

#[tokio::test]
async fn a_change_says_what_it_changes() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let rate = "admitPerSecond must be a whole number from 1 to 1000000";
    let mode = "mode must be `queue` or `pass`";
    for (patch, detail) in [
        (
            json!({}),
            "the body must have admitPerSecond, paused or mode",
        ),
        (json!({"admitPerSecond": 0}), rate),
        (json!({"admitPerSecond": 1_000_001}), rate),
        (json!({"admitPerSecond": null}), rate),
        (json!({"paused": "yes"}), "paused must be a boolean"),
        (json!({"paused": null}), "paused must be a boolean"),
        (json!({"mode": "draw"}), mode),
        (json!({"mode": null}), mode),
        (
            json!({"turnSeconds": 60}),
            "unknown field `turnSeconds`, expected one of `admitPerSecond`, `paused`, `mode`",
        ),
    ] {
        let (status, problem) = app.change_queue(&product, "a", patch.clone()).await;
        assert_eq!(problem["detail"], detail, "{patch}");
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (400, &json!("invalid_request"))
        );
    }
}

#[tokio::test]
async fn a_change_counts_once_is_shown_and_leaves_the_terms() {
    let stores = Stores::new().await;
    let apps = [stores.app(&QUEUE).await, stores.app(&QUEUE).await];
    let product = unique("queued");
    let start = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let terms = json!({
        "quantity": 9, "perUserLimit": 1, "opensAt": start, "queue": {"admitPerSecond": 5},
    });
    assert_eq!(apps[0].open(&product, &terms).await.0, 201);
    let faster = json!({"admitPerSecond": 70});
    for app in [&apps[0], &apps[1], &apps[0]] {
        let changed = app.changed(&product, "a", faster.clone()).await;
        let queue = &changed["queue"];
        assert_eq!(queue["admitPerSecond"], 70);
        assert_eq!(
            (&queue["paused"], &queue["mode"]),
            (&json!(false), &json!("queue"))
        );
    }
    let answer = apps[1]
        .change_queue(&product, "a", json!({"admitPerSecond": 71}))
        .await;
    assert_eq!(code(&answer), refused(422, "idempotency_key_reused"));
    apps[1]
        .changed(&product, "b", json!({"paused": true}))
        .await;
    for app in &apps {
        app.until_state(&product, "paused", json!(true)).await;
        assert_eq!(app.state(&product).await["admitPerSecond"], 70);
        let (_, sale) = app.get(&format!("/products/{product}")).await;
        assert_eq!(
            (&sale["queue"]["paused"], &sale["queue"]["admitPerSecond"]),
            (&json!(true), &json!(70))
        );
        // The opening terms are the same.
        let (status, again) = app.open(&product, &terms).await;
        assert_eq!(status, 200, "{again}");
        let other = {
            let mut other = terms.clone();
            other["queue"]["admitPerSecond"] = json!(70);
            other
        };
        assert_eq!(
            code(&app.open(&product, &other).await),
            refused(409, "sale_exists")
        );
    }
    let ids = stores.ids_on_kafka(3).await;
    assert_eq!(ids[0], format!("{product}:1"));
    assert_ne!(ids[1], ids[2]);
}

#[tokio::test]
async fn a_paused_queue_gives_no_turns_but_open_turns_last() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    app.until_started(&product).await;
    let ada = app.ticket(&product, "ada").await;
    app.until_turn(&product, &ada).await;
    app.changed(&product, "a", json!({"paused": true})).await;
    app.until_state(&product, "state", json!("paused")).await;
    let clock = app.state(&product).await["clock"].clone();
    let bob = app.ticket(&product, "bob").await;
    let place = app.place_of(&product, &bob).await;
    assert_eq!(
        (&place["turn"], &place["state"], &place["estimateSeconds"]),
        (&json!("waiting"), &json!("paused"), &Value::Null)
    );
    assert_eq!(
        app.buy(&product, "bob", "b", Some(&bob)).await,
        refused(409, "not_your_turn")
    );
    assert_eq!(app.buy(&product, "ada", "a", Some(&ada)).await.0, 202);
    let later = app.state(&product).await;
    assert_eq!((&later["clock"], &later["servedLate"]), (&clock, &json!(1)));
    app.changed(&product, "b", json!({"paused": false})).await;
    app.until_turn(&product, &bob).await;
    assert_eq!(app.state(&product).await["state"], "open");
    assert_eq!(app.buy(&product, "bob", "b", Some(&bob)).await.0, 202);
}

#[tokio::test]
async fn in_pass_mode_orders_need_no_ticket() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    app.until_started(&product).await;
    assert_eq!(
        app.buy(&product, "ada", "a", None).await,
        refused(403, "ticket_required")
    );
    app.changed(&product, "a", json!({"mode": "pass"})).await;
    app.until_state(&product, "mode", json!("pass")).await;
    assert_eq!(app.state(&product).await["state"], "open");
    assert_eq!(app.buy(&product, "ada", "a", None).await.0, 202);
    // Nor does a wrong one matter.
    assert_eq!(app.buy(&product, "bob", "b", Some("00")).await.0, 202);
    app.changed(&product, "b", json!({"mode": "queue"})).await;
    app.until_state(&product, "mode", json!("queue")).await;
    assert_eq!(
        app.buy(&product, "eve", "e", None).await,
        refused(403, "ticket_required")
    );
}

#[tokio::test]
async fn people_are_let_through_at_the_rate_that_was_set_last() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 900, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    let mut last = String::new();
    for n in 0..60 {
        last = app.ticket(&product, &format!("user-{n}")).await;
    }
    app.changed(&product, "a", json!({"admitPerSecond": 1_000}))
        .await;
    // At one per second it would take a minute.
    app.until_turn(&product, &last).await;
}

#[tokio::test]
async fn a_change_counts_while_kafka_is_away() {
    let stores = Stores::new().await;
    let product = {
        let app = stores.app(&QUEUE).await;
        sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await
    };
    let nowhere = [&QUEUE[..], &["--kafka-brokers=127.0.0.1:1"]].concat();
    let cut_off = stores.app(&nowhere).await;
    let changed = cut_off
        .changed(&product, "a", json!({"paused": true}))
        .await;
    assert_eq!(changed["queue"]["paused"], true);
    cut_off.until_state(&product, "paused", json!(true)).await;
}

#[tokio::test]
async fn an_event_stream_shows_that_a_queue_is_paused() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let mut stream = EventStream::open(&app, &product).await;
    let (first, sale) = stream.event().await;
    assert_eq!(sale["queue"]["paused"], false);
    app.changed(&product, "a", json!({"paused": true})).await;
    let (second, sale) = stream.event().await;
    assert_eq!(sale["queue"]["paused"], true);
    assert_ne!(first, second);
}
