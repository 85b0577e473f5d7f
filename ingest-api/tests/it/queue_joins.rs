//! Joining the queue of a sale, its state, and the place of a ticket.

use std::time::Duration;

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fixture::queue::{QUEUE, sale};
use crate::fixture::{App, SlowProxy, Stores, TOKEN, read, unique, until};

#[tokio::test]
async fn a_user_who_joins_before_the_start_gets_the_same_ticket_again() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let (status, first) = app.join(&product, "ada").await;
    assert_eq!((status.as_u16(), &first["joined"]), (201, &json!("early")));
    assert_eq!(first["userId"], "ada");
    assert_eq!(first.get("number"), None);
    assert_eq!(app.join(&product, "ada").await, (status, first.clone()));
    let known = app
        .join_with(&product, "ada", first["ticket"].as_str())
        .await;
    assert_eq!(
        (known.0.as_u16(), &known.1["ticket"]),
        (200, &first["ticket"])
    );
    // The ticket of somebody else is none.
    let bob = app
        .join_with(&product, "bob", first["ticket"].as_str())
        .await;
    assert_eq!(bob.0, 201);
    assert_ne!(bob.1["ticket"], first["ticket"]);
    until("both are counted", async || {
        app.state(&product).await["joined"] == 2
    })
    .await;
}

#[tokio::test]
async fn those_who_come_first_may_come_at_the_same_time() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let joins = (0..50).map(|n| {
        let (app, product) = (&app, &product);
        async move { app.join(product, &format!("user-{n}")).await.0 }
    });
    let statuses = join_all(joins).await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
}

#[tokio::test]
async fn the_state_is_the_same_for_everybody_and_may_be_cached() {
    let app = App::start(&QUEUE).await;
    let product = sale(
        &app,
        9,
        60_000,
        json!({"admitPerSecond": 7, "turnSeconds": 60}),
    )
    .await;
    let answer = app
        .request(Method::GET, &format!("/queue/{product}"))
        .send()
        .await
        .unwrap();
    let cached = answer.headers()["cache-control"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(cached, "public, max-age=1, stale-while-revalidate=2");
    let (_, state) = read(answer).await;
    assert_eq!(state["state"], "scheduled");
    assert_eq!(
        (&state["admitPerSecond"], &state["turnSeconds"]),
        (&json!(7), &json!(60))
    );
    assert_eq!(
        (&state["seed"], &state["remaining"]),
        (&Value::Null, &json!(9))
    );
    assert_eq!(state.get("held"), None);
    let (_, sale) = app.get(&format!("/products/{product}")).await;
    assert_eq!(sale["queue"]["seedSha256"], state["seedSha256"]);
}

#[tokio::test]
async fn a_user_who_joins_again_within_a_minute_gets_the_same_ticket() {
    let app = App::start(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    let (status, first) = app.join(&product, "ada").await;
    assert_eq!(
        (status.as_u16(), &first["joined"], &first["number"]),
        (201, &json!("late"), &json!(1))
    );
    assert_eq!(app.join(&product, "ada").await, (status, first.clone()));
    let post = app.request(Method::POST, &format!("/queue/{product}"));
    let post = post.bearer_auth(TOKEN).json(&json!({"userId": "ada"}));
    assert_eq!(
        read(post.send().await.unwrap()).await,
        (status, first.clone())
    );
    let known = app
        .join_with(&product, "ada", first["ticket"].as_str())
        .await;
    assert_eq!((known.0.as_u16(), &known.1["number"]), (200, &json!(1)));
    assert_eq!(app.join(&product, "bob").await.1["number"], 2);
}

#[tokio::test]
async fn nobody_joins_too_early_or_too_late_or_without_a_queue() {
    let app = App::start(&QUEUE).await;
    let soon = Timestamp::now() + SignedDuration::from_secs(50);
    let queue = json!({"admitPerSecond": 1, "joinFrom": soon});
    let product = sale(&app, 9, 60_000, queue).await;
    let (status, problem) = app.join(&product, "ada").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("join_not_open"))
    );

    let start = Timestamp::now() + SignedDuration::from_millis(200);
    let until_start = Timestamp::from_millisecond(start.as_millisecond()).unwrap();
    let draw = unique("draw");
    let terms = json!({"quantity": 9, "perUserLimit": 1, "opensAt": until_start,
        "queue": {"admitPerSecond": 1, "joinUntil": until_start, "overbook": 1}});
    assert_eq!(app.open(&draw, &terms).await.0, 201);
    app.until_started(&draw).await;
    let (status, problem) = app.join(&draw, "ada").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("join_ended"))
    );

    let plain = app.sale(9).await;
    let (status, problem) = app.join(&plain, "ada").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("no_queue"))
    );
    let (status, problem) = app.join("nothing", "ada").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (404, &json!("unknown_product"))
    );
}

#[tokio::test]
async fn a_user_who_joined_early_knows_the_place_once_the_seed_is_shown() {
    let app = App::start(&QUEUE).await;
    let queue = json!({"admitPerSecond": 1, "overbook": 1});
    let product = sale(&app, 1, 500, queue).await;
    let mut tickets = Vec::new();
    for n in 0..20 {
        tickets.push(app.ticket(&product, &format!("user-{n}")).await);
    }
    let hidden = app.place_of(&product, &tickets[0]).await;
    assert_eq!(
        (&hidden["turn"], &hidden["ahead"]),
        (&json!("waiting"), &Value::Null)
    );
    until("the seed is shown", async || {
        app.state(&product).await["seed"].is_string()
    })
    .await;
    let mut waiting = 0;
    for ticket in &tickets {
        let place = app.place_of(&product, ticket).await;
        waiting += i32::from(place["turn"] == "waiting");
        assert!(
            place["turn"] != "waiting" || place["ahead"].is_u64(),
            "{place}"
        );
    }
    assert!(
        (12..=20).contains(&waiting),
        "one of twenty is let through for one unit, as far as an estimate says: {waiting}"
    );
}

#[tokio::test]
async fn a_join_that_failed_may_be_repeated_at_once() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    let joined = &stores.keys(&format!("*:joined:{product}")).await[0];
    let copy = format!("{joined}:lost");
    let _: () = stores.redis("RENAME", &[joined, &copy]).await;
    let (status, problem) = app.join(&product, "ada").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (503, &json!("unavailable"))
    );
    assert_eq!(app.metric("redis_lost_writes_total").await, 1.0);
    let _: () = stores.redis("RENAME", &[&copy, joined]).await;
    let (status, joined) = app.join(&product, "ada").await;
    assert_eq!((status.as_u16(), &joined["number"]), (201, &json!(1)));
}

#[tokio::test]
async fn a_join_whose_client_goes_away_gives_the_same_ticket_later() {
    let stores = Stores::new().await;
    let (server, database) = stores.redis_address();
    let proxy = SlowProxy::new(server, Duration::from_millis(300)).await;
    let redis_url = format!("redis://{}/{database}", proxy.address());
    let slow = [
        &QUEUE[..],
        &["--redis-url", &redis_url, "--redis-timeout-ms=5000"],
    ]
    .concat();
    let (app, other) = (stores.app(&slow).await, stores.app(&QUEUE).await);
    let product = sale(&other, 9, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    let state = &stores.keys(&format!("*:queue:{product}")).await[0];
    // Redis takes longer: the client goes away meanwhile, the first time perhaps before its request was read.
    until("the number is given", async || {
        let post = app.request(Method::POST, &format!("/queue/{product}"));
        let post = post.json(&json!({"userId": "ada"}));
        let _ = timeout(Duration::from_millis(150), post.send()).await;
        stores.redis::<Option<u64>>("HGET", &[state, "late"]).await == Some(1)
    })
    .await;
    let (status, joined) = app.join(&product, "ada").await;
    assert_eq!((status.as_u16(), &joined["number"]), (201, &json!(1)));
    assert_eq!(other.join(&product, "bob").await.1["number"], 2);
}

#[tokio::test]
async fn who_joins_without_a_ticket_proves_work_if_the_instance_asks_for_it() {
    let settings = [&QUEUE[..], &["--queue-work-digits", "2"]].concat();
    let app = App::start(&settings).await;
    let product = sale(&app, 9, 60_000, json!({"admitPerSecond": 1})).await;
    let join = async |user: &str, work: Option<&Payload>| {
        let post = app.request(Method::POST, &format!("/queue/{product}"));
        let body = match work {
            Some(work) => json!({"userId": user, "work": work}),
            None => json!({"userId": user}),
        };
        read(post.json(&body).send().await.unwrap()).await
    };

    let (status, problem) = join("ada", None).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (403, &json!("work_required"))
    );
    let work = solved(&problem["challenge"]);
    let (status, problem) = join("bob", Some(&work)).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (403, &json!("invalid_work"))
    );
    assert!(problem["challenge"]["signature"].is_string(), "{problem}");
    let (status, joined) = join("ada", Some(&work)).await;
    assert_eq!(status, 201, "{joined}");

    // A ticket is proof enough, and the shop needs none.
    let ticket = joined["ticket"].as_str();
    assert_eq!(app.join_with(&product, "ada", ticket).await.0, 200);
    let post = app.request(Method::POST, &format!("/queue/{product}"));
    let post = post.bearer_auth(TOKEN).json(&json!({"userId": "carl"}));
    let by_shop = post.send().await.unwrap();
    assert_eq!(by_shop.status(), 201);
}

fn solved(challenge: &Value) -> Payload {
    let challenge: Challenge = serde_json::from_value(challenge.clone()).unwrap();
    let solution = solve_challenge(SolveChallengeOptions::new(&challenge));
    Payload {
        solution: solution.unwrap().unwrap(),
        challenge,
    }
}
