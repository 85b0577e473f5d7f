//! Sales with a queue: their terms.

use fluxgate_domain::ids::{ProductId, Tag};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::fixture::{App, Stores, unique};
use crate::program::run_with;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Of instances whose sales may have a queue.
const QUEUE: [&str; 4] = [
    "--sale-features=queue",
    "--queue-secrets=0123456789abcdef0123456789abcdef",
    "--sale-amendments=on",
    "--outbox-relay-interval-ms=100",
];

/// Terms of a sale that opens in an hour and closes a day later, with a queue.
fn terms() -> Value {
    let opens_at = in_hours(1);
    json!({
        "quantity": 2, "perUserLimit": 1, "opensAt": opens_at, "closesAt": opens_at + 24.hours(),
        "queue": {"admitPerSecond": 50},
    })
}

fn in_hours(hours: i64) -> Timestamp {
    let at = Timestamp::now() + hours.hours();
    Timestamp::from_millisecond(at.as_millisecond()).unwrap()
}

/// These terms with another value; `null` leaves it out.
fn with(mut terms: Value, path: &str, value: Value) -> Value {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = terms.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(name),
        value => parent.insert(name.to_owned(), value),
    };
    terms
}

#[tokio::test]
async fn a_sale_shows_its_queue_with_the_defaults_but_not_the_secret() {
    let app = App::start(&QUEUE).await;
    let (product, terms) = (unique("p"), terms());
    let opens_at: Timestamp = terms["opensAt"].as_str().unwrap().parse().unwrap();
    let secret = fluxgate_domain::queue::QueueSecret::new(SECRET.as_bytes()).unwrap();
    let seed = secret.seed(&ProductId::parse(&product).unwrap(), opens_at);
    let sha256 = fluxgate_domain::queue::seed_sha256(&seed);
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = json!({
        "joinFrom": null, "joinUntil": null, "mode": "queue", "paused": false, "admitPerSecond": 50, "turnSeconds": 300, "overbook": 3,
        "seedSha256": sha256,
    });
    for status in [201, 200] {
        let (answered, sale) = app.open(&product, &terms).await;
        assert_eq!(answered, status, "{sale}");
        assert_eq!(sale["queue"], expected);
        let warning = sale["warnings"][0].as_str().unwrap();
        assert!(warning.contains("invent users"), "{sale}");
    }
    let defaults = with(terms, "/queue/turnSeconds", json!(300));
    let (status, sale) = app.open(&product, &defaults).await;
    assert_eq!((status.as_u16(), &sale["queue"]), (200, &expected));
    let (_, sale) = app.get(&format!("/products/{product}")).await;
    assert_eq!(sale["queue"], expected);

    let (_, sale) = app.open(&unique("p"), &json!({"quantity": 1})).await;
    assert!(
        sale.get("queue").is_none() && sale.get("warnings").is_none(),
        "{sale}"
    );
}

#[tokio::test]
async fn the_secret_of_a_queue_is_named_in_redis_and_on_kafka() {
    let stores = Stores::new().await;
    let app = stores.app(&QUEUE).await;
    let product = unique("p");
    let (status, sale) = app.open(&product, &terms()).await;
    assert_eq!(status, 201, "{sale}");
    let key = format!(
        "fg:{{{}}}:sale:{product}",
        Tag::of(&ProductId::parse(&product).unwrap())
    );
    let written: String = stores.redis("HGET", &[&key, "terms"]).await;
    let written: Value = serde_json::from_str(&written).unwrap();
    // As Python's hashlib computes it.
    assert_eq!(written["queue"]["secret"], "3eb1bd439947eb76");
    assert_eq!(written["queue"]["seedSha256"], sale["queue"]["seedSha256"]);
    assert!(!written.to_string().contains(SECRET));
}

#[tokio::test]
async fn the_terms_of_a_queue_are_checked() {
    let app = App::start(&QUEUE).await;
    let number =
        |field: &str, range: &str| format!("queue.{field} must be a whole number from {range}");
    let time =
        |field: &str| format!("queue.{field} must be a time such as 2026-11-26T15:16:40.915Z");
    let object = "queue must be a JSON object".to_owned();
    let unknown = |field: &str| {
        format!(
            "unknown field `{field}`, expected one of `joinFrom`, `joinUntil`, `admitPerSecond`, `turnSeconds`, `overbook`"
        )
    };
    let null = |field: &str| json!({"admitPerSecond": 50, field: null});
    for (path, value, detail) in [
        (
            "/perUserLimit",
            Value::Null,
            "queue needs perUserLimit".to_owned(),
        ),
        ("/opensAt", Value::Null, "queue needs opensAt".to_owned()),
        ("/queue", json!([null, null, 50]), object.clone()),
        ("/queue", json!("fast"), object),
        (
            "/queue",
            json!({}),
            "missing field `admitPerSecond`".to_owned(),
        ),
        (
            "/queue/admitPerSecond",
            json!(0),
            number("admitPerSecond", "1 to 1000000"),
        ),
        (
            "/queue/admitPerSecond",
            json!(1_000_001),
            number("admitPerSecond", "1 to 1000000"),
        ),
        (
            "/queue/turnSeconds",
            json!(29),
            number("turnSeconds", "30 to 86400"),
        ),
        (
            "/queue/turnSeconds",
            json!(86_401),
            number("turnSeconds", "30 to 86400"),
        ),
        ("/queue/overbook", json!(0), number("overbook", "1 to 20")),
        ("/queue/overbook", json!(21), number("overbook", "1 to 20")),
        ("/queue/overbook", json!("3"), number("overbook", "1 to 20")),
        (
            "/queue",
            null("turnSeconds"),
            number("turnSeconds", "30 to 86400"),
        ),
        ("/queue", null("overbook"), number("overbook", "1 to 20")),
        ("/queue", null("joinFrom"), time("joinFrom")),
        ("/queue", null("joinUntil"), time("joinUntil")),
        ("/queue/joinFrom", json!("now"), time("joinFrom")),
        (
            "/queue/joinFrom",
            json!("1970-01-01T00:00:00Z"),
            "queue.joinFrom must be after 1970-01-01T00:00:00Z".to_owned(),
        ),
        (
            "/queue/joinFrom",
            json!(in_hours(2)),
            "queue.joinFrom must be earlier than opensAt".to_owned(),
        ),
        (
            "/queue/joinUntil",
            json!(in_hours(0)),
            "queue.joinUntil must not be earlier than opensAt".to_owned(),
        ),
        (
            "/queue/joinUntil",
            json!(in_hours(26)),
            "queue.joinUntil must not be later than closesAt".to_owned(),
        ),
        (
            "/queue/secret",
            json!("3eb1bd439947eb76"),
            unknown("secret"),
        ),
        ("/queue/seedSha256", json!("00"), unknown("seedSha256")),
    ] {
        let terms = with(terms(), path, value);
        let (status, problem) = app.open(&unique("p"), &terms).await;
        assert_eq!(problem["detail"], detail, "{terms}");
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (400, &json!("invalid_request"))
        );
    }
    let mut terms = terms();
    terms["queue"] = Value::Null;
    let (status, problem) = app.open(&unique("p"), &terms).await;
    assert_eq!(
        (status.as_u16(), &problem["detail"]),
        (400, &json!("queue must be a JSON object"))
    );
}

#[tokio::test]
async fn times_of_a_queue_may_be_at_their_limits() {
    let app = App::start(&QUEUE).await;
    let terms = terms();
    let opens_at: Timestamp = terms["opensAt"].as_str().unwrap().parse().unwrap();
    let just_before = opens_at - 1.millisecond();
    for until in ["opensAt", "closesAt"] {
        let from = with(terms.clone(), "/queue/joinFrom", json!(just_before));
        let both = with(from, "/queue/joinUntil", terms[until].clone());
        let (status, sale) = app.open(&unique("p"), &both).await;
        assert_eq!(status, 201, "{sale}");
        assert_eq!(sale["queue"]["joinFrom"], json!(just_before));
        assert_eq!(sale["queue"]["joinUntil"], terms[until]);
    }
}

#[tokio::test]
async fn a_queue_needs_the_feature() {
    for settings in [&[][..], &QUEUE[1..]] {
        let app = App::start(settings).await;
        let (status, problem) = app.open(&unique("p"), &terms()).await;
        let seen = (status.as_u16(), &problem["code"], &problem["detail"]);
        let detail = "queue needs the feature `queue` in SALE_FEATURES";
        assert_eq!(seen, (409, &json!("feature_disabled"), &json!(detail)));
    }
}

#[tokio::test]
async fn an_amendment_changes_the_terms_of_a_queue_but_neither_adds_nor_removes_it() {
    let app = App::start(&QUEUE).await;
    let (with_queue, without) = (terms(), with(terms(), "/queue", Value::Null));
    let [queued, plain] = [unique("p"), unique("p")];
    let (_, opened) = app.open(&queued, &with_queue).await;
    assert_eq!(app.open(&plain, &without).await.0, 201);
    for (product, other) in [(&queued, &without), (&plain, &with_queue)] {
        let mut other = other.clone();
        for name in ["opensAt", "closesAt"] {
            other[name] = app.get(&format!("/products/{product}")).await.1[name].clone();
        }
        let (status, problem) = app.open(product, &other).await;
        let seen = (status.as_u16(), &problem["detail"]);
        assert_eq!(
            seen,
            (409, &json!("the sale exists with other terms: queue"))
        );
    }
    let later = with(with_queue.clone(), "/opensAt", json!(in_hours(2)));
    let later = with(later, "/queue/overbook", json!(1));
    let (status, amended) = app.open(&queued, &later).await;
    assert_eq!(status, 200, "{amended}");
    assert_eq!(amended["queue"]["overbook"], 1);
    assert_ne!(
        amended["queue"]["seedSha256"],
        opened["queue"]["seedSha256"]
    );
    // The seed follows from the terms.
    let before = with(with_queue, "/queue/overbook", json!(1));
    let (status, again) = app.open(&queued, &before).await;
    assert_eq!(status, 200, "{again}");
    assert_eq!(again["queue"]["seedSha256"], opened["queue"]["seedSha256"]);
}

#[test]
fn a_queue_needs_a_secret() {
    let (code, error) = run_with(&[
        ("SALE_FEATURES", "queue"),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ]);
    assert_eq!(code, Some(2), "{error}");
    for variable in ["SALE_FEATURES", "QUEUE_SECRETS"] {
        assert!(error.contains(variable), "{error}");
    }
}
