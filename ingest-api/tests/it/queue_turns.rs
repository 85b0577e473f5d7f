//! Orders of a sale with a queue: taken only with a ticket, in its turn.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::queue::{QUEUE, refused, sale};
use crate::fixture::{App, Stores, TOKEN, read, unique, until};

#[tokio::test]
async fn an_order_needs_the_ticket_of_its_user_and_sale() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    let other = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    app.until_started(&product).await;
    app.until_started(&other).await;
    assert_eq!(
        app.buy(&product, "ada", "a", None).await,
        refused(403, "ticket_required")
    );
    let foreign = app.ticket(&other, "ada").await;
    let bobs = app.ticket(&product, "bob").await;
    app.until_turn(&product, &bobs).await;
    let mut forged = bobs.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    for ticket in [foreign.as_str(), &bobs, &forged, "", "ä"] {
        let answer = app.buy(&product, "ada", "a", Some(ticket)).await;
        let missing = ticket == "ä";
        let code = if missing {
            "ticket_required"
        } else {
            "invalid_ticket"
        };
        assert_eq!(answer, refused(403, code), "{ticket}");
    }
    assert_eq!(app.buy(&product, "bob", "b", Some(&bobs)).await.0, 202);
    assert_eq!(
        app.buy(&product, "bob", "other", Some(&bobs)).await,
        refused(409, "user_limit_reached")
    );
}

#[tokio::test]
async fn an_order_before_its_turn_is_refused_and_one_in_it_is_taken() {
    let app = App::start(&QUEUE).await;
    // One at a time: `overbook` lets one person through for the one unit.
    let queue = json!({"admitPerSecond": 1000, "overbook": 1, "turnSeconds": 60});
    let product = sale(&app, 1, 0, queue).await;
    app.until_started(&product).await;
    let ada = app.ticket(&product, "ada").await;
    app.until_turn(&product, &ada).await;
    let bob = app.ticket(&product, "bob").await;
    let place = app.place_of(&product, &bob).await;
    assert_eq!(
        (&place["turn"], &place["number"], &place["ahead"]),
        (&json!("waiting"), &json!(2), &json!(0))
    );

    let post = app
        .request(Method::POST, "/orders")
        .header("Idempotency-Key", "b");
    let post = post.header("Fluxgate-Ticket", &bob);
    let body = json!({"productId": product, "userId": "bob"});
    let answer = post.json(&body).send().await.unwrap();
    assert!(answer.headers().contains_key("retry-after"));
    let (status, problem) = read(answer).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("not_your_turn"))
    );
    assert_eq!(problem["ahead"], 0);

    assert_eq!(app.buy(&product, "ada", "a", Some(&ada)).await.0, 202);
    // A known order is found without a ticket.
    assert_eq!(app.buy(&product, "ada", "a", None).await.0, 202);
    until("it is sold out", async || {
        app.state(&product).await["state"] == "sold_out"
    })
    .await;
}

#[tokio::test]
async fn an_order_before_the_start_is_not_told_its_place() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let ada = app.ticket(&product, "ada").await;
    let post = app
        .request(Method::POST, "/orders")
        .header("Idempotency-Key", "a")
        .header("Fluxgate-Ticket", ada);
    let body = json!({"productId": product, "userId": "ada"});
    let (status, problem) = read(post.json(&body).send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("not_your_turn"))
    );
    assert_eq!(
        (&problem["ahead"], &problem["estimateSeconds"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_closed_sale_tells_nobody_to_wait() {
    let app = App::start(&QUEUE).await;
    let queue = json!({"admitPerSecond": 1, "overbook": 1});
    let product = sale(&app, 1, 0, queue).await;
    app.until_started(&product).await;
    let mut last = String::new();
    for user in ["ada", "bob", "eve"] {
        last = app.ticket(&product, user).await;
    }
    app.close_sale(&product).await;
    until("the queue is closed", async || {
        app.state(&product).await["state"] == "closed"
    })
    .await;
    assert_eq!(
        app.buy(&product, "eve", "e", Some(&last)).await,
        refused(409, "sale_closed")
    );
    let place = app.place_of(&product, &last).await;
    assert_eq!(place["estimateSeconds"], Value::Null);
}

#[tokio::test]
async fn an_admin_call_needs_no_ticket() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    assert_eq!(app.buy_as_admin(&product, "ada").await, 202);
}

#[tokio::test]
async fn an_order_after_its_turn_is_refused_and_its_holder_joins_again() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let queue = json!({"admitPerSecond": 1000, "turnSeconds": 30});
    let product = sale(&app, 9, 0, queue).await;
    app.until_started(&product).await;
    let ada = app.ticket(&product, "ada").await;
    app.until_turn(&product, &ada).await;
    let bob = app.ticket(&product, "bob").await;
    app.until_turn(&product, &bob).await;
    assert_eq!(app.buy(&product, "bob", "b", Some(&bob)).await.0, 202);
    // As if the clock had run for a turn and its grace.
    let state = &stores.keys(&format!("*:queue:{product}")).await[0];
    let clock: u64 = stores.redis("HGET", &[state, "clock_ms"]).await;
    let later = (clock + 61_000).to_string();
    let _: i64 = stores.redis("HSET", &[state, "clock_ms", &later]).await;
    until("the turn is over", async || {
        app.place_of(&product, &ada).await["turn"] == "over"
    })
    .await;
    assert_eq!(
        app.buy(&product, "ada", "a", Some(&ada)).await,
        refused(409, "turn_over")
    );
    let (status, again) = app.join_with(&product, "ada", Some(&ada)).await;
    assert_eq!((status.as_u16(), &again["number"]), (201, &json!(3)));
    // An order that is known is found at any time.
    assert_eq!(app.buy(&product, "bob", "b", Some(&bob)).await.0, 202);
}

#[tokio::test]
async fn units_that_come_back_go_to_the_next_in_the_queue() {
    let app = App::start(&QUEUE).await;
    let queue = json!({"admitPerSecond": 1000, "overbook": 1, "turnSeconds": 30});
    let product = sale(&app, 1, 0, queue).await;
    app.until_started(&product).await;
    let ada = app.ticket(&product, "ada").await;
    let bob = app.ticket(&product, "bob").await;
    app.until_turn(&product, &ada).await;
    assert_eq!(app.buy(&product, "ada", "a", Some(&ada)).await.0, 202);
    assert_eq!(app.place_of(&product, &bob).await["turn"], "waiting");
    let restock = app.request(Method::POST, &format!("/products/{product}/restock"));
    let restock = restock.bearer_auth(TOKEN).header("Idempotency-Key", "r");
    let restocked = restock.json(&json!({"quantity": 1})).send().await.unwrap();
    assert_eq!(restocked.status(), 200);
    app.until_turn(&product, &bob).await;
    until("the order is taken", async || {
        app.buy(&product, "bob", "b", Some(&bob)).await.0 == 202
    })
    .await;
}

#[tokio::test]
async fn the_compatibility_route_redirects_an_order_without_a_turn() {
    let room = "https://shop.example/waiting-room";
    let compat = ["--compat-routes=on", "--compat-waiting-room-url", room];
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let rate = "--compat-rate-per-second=100";
    for more in [&["--sale-features=queue,limits", rate][..], &[rate], &[]] {
        let app = App::start(&[&QUEUE, &compat[..], more].concat()).await;
        let product = sale(&app, 1, 60_000, json!({"admitPerSecond": 1})).await;
        let ticket = app.ticket(&product, "ada").await;
        for ticket in [Some(&ticket), None] {
            let post = client.post(format!("http://{}/order", app.address()));
            let post = post.header("Idempotency-Key", "a");
            let post = match ticket {
                Some(ticket) => post.header("Fluxgate-Ticket", ticket),
                None => post,
            };
            let body = json!({"productId": product, "userId": "ada"});
            let answer = post.json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 302, "{more:?}, {ticket:?}");
            assert_eq!(answer.headers()["location"], room);
        }
    }
}

#[tokio::test]
async fn a_retry_outside_its_turn_is_answered_as_one_in_it() {
    let stores = Stores::new().await;
    let (product, ticket) = {
        let app = stores.app(&QUEUE).await;
        let product = unique("held");
        let terms = json!({
            "quantity": 9, "perUserLimit": 1, "holdSeconds": 600, "opensAt": Timestamp::now(), "queue": {"admitPerSecond": 100},
        });
        assert_eq!(app.open(&product, &terms).await.0, 201);
        app.until_started(&product).await;
        let ticket = app.ticket(&product, "ada").await;
        app.until_turn(&product, &ticket).await;
        assert_eq!(app.buy(&product, "ada", "a", Some(&ticket)).await.0, 202);
        (product, ticket)
    };
    let nowhere = [&QUEUE[..], &["--kafka-brokers=127.0.0.1:1"]].concat();
    let cut_off = stores.app(&nowhere).await;
    let order = cut_off.place(&product, "ada", 1, "a").await;
    let (status, problem) = cut_off.cancel(&order).await;
    assert_eq!(status, 503, "it is noted, but not published: {problem}");
    for ticket in [Some(ticket.as_str()), None] {
        assert_eq!(
            cut_off.buy(&product, "ada", "a", ticket).await,
            refused(409, "order_cancelled"),
            "{ticket:?}"
        );
    }
}

#[tokio::test]
async fn a_queue_that_redis_has_lost_is_not_guessed() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 100})).await;
    app.until_started(&product).await;
    let ticket = app.ticket(&product, "ada").await;
    app.until_turn(&product, &ticket).await;
    let keys = stores.keys(&format!("*:queue:{product}")).await;
    let _: i64 = stores.redis("DEL", &[&keys[0]]).await;
    let (status, problem) = app.join(&product, "bob").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (503, &json!("unavailable"))
    );
    // For a few seconds the last state counts.
    tokio::time::timeout(Duration::from_secs(20), async {
        while app.get(&format!("/queue/{product}")).await.0 != 503 {}
    })
    .await
    .expect("the state is not shown for long");
    assert_eq!(
        app.buy(&product, "ada", "a", Some(&ticket)).await,
        refused(503, "unavailable")
    );
}
