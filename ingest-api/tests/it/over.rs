//! Sales that are over: they have ended, Redis no longer has them, and PostgreSQL answers for them.

use fluxgate_domain::ids::{IdempotencyKey, ProductId, RestockId};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::changes::code;
use crate::fixture::{App, EventStream, Stores, read, unique, until};

/// A closed sale of five units and a restock of two, key `r`, of which ada has ordered two, key `a`. Redis no longer has
/// it. The first instance remembers it, the second does not.
struct OverSale {
    stores: Stores,
    apps: [App; 2],
    product: String,
    order: String,
}

impl OverSale {
    async fn new() -> Self {
        let stores = Stores::new().await;
        let apps = [stores.app(&[]).await, stores.app(&[]).await];
        let product = unique("p");
        let terms = json!({"quantity": 5, "perUserLimit": 4});
        let (status, sale) = apps[0].open(&product, &terms).await;
        assert_eq!(status, 201);
        let order = apps[0].place(&product, "ada", 2, "a").await;
        let (opens_at, topic) = (sale["opensAt"].as_str().unwrap(), &stores.topic);
        let id = ProductId::parse(&product).unwrap();
        let restock = RestockId::derive(&id, &IdempotencyKey::parse("r").unwrap());
        let key = stores.keys("fg:*:sale:*").await.remove(0);
        let partition: i32 = stores.redis("HGET", &[&key, "partition"]).await;
        let rows = format!(
            "INSERT INTO stock_ledger
                 (product_id, total, sold, opens_at, closed_at, per_user_limit, partition)
             VALUES ('{product}', 7, 2, '{opens_at}', now(), 4, {partition});
             INSERT INTO number_series (series_id, product_id, epoch, last_sequence)
             VALUES ('{product}', '{product}', 1, 3);
             INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at)
             VALUES ('{order}', '{product}', 'ada', 2, 1, 1, 'confirmed', now());
             INSERT INTO sale_changes (product_id, change_id, kind, units, epoch, sequence, changed_at)
             VALUES ('{product}', '{restock}', 'restock', 2, 1, 2, now());
             INSERT INTO positions (topic, partition, next_offset) VALUES ('{topic}', {partition}, 1000)"
        );
        stores.sql.batch_execute(&rows).await.unwrap();
        stores.empty_redis().await;
        // An instance remembers for a second that the ledger did not have the sale.
        until("both instances know that the sale is over", async || {
            let path = format!("/products/{product}");
            let views = [apps[0].get(&path).await, apps[1].get(&path).await];
            views.iter().all(|(status, _)| *status == 200)
        })
        .await;
        Self {
            stores,
            apps,
            product,
            order,
        }
    }

    async fn sql(&self, statement: &str) {
        self.stores.sql.batch_execute(statement).await.unwrap();
    }

    /// A view of the sale.
    fn check(&self, sale: &Value) {
        assert_eq!(sale["status"], "closed", "{sale}");
        assert_eq!((&sale["total"], &sale["remaining"]), (&json!(7), &json!(5)));
        assert_eq!(sale["perUserLimit"], 4);
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn retries_are_answered_from_the_row() {
    let sale = OverSale::new().await;
    let order = async |app: &App, user: &str, units, key: &str| {
        let answer = app.order(&sale.product, user, units, key).await;
        let replayed = answer.headers().contains_key("idempotency-replayed");
        let (status, body) = read(answer).await;
        (status.as_u16(), body, replayed)
    };
    for app in &sale.apps {
        let (status, body, replayed) = order(app, "ada", 2, "a").await;
        assert_eq!((status, replayed), (202, true), "{body}");
        assert_eq!(body["orderId"], sale.order);
        assert_eq!(body["status"], "confirmed");
        let (status, body, _) = order(app, "ada", 1, "a").await;
        assert_eq!(
            (status, &body["code"]),
            (422, &json!("idempotency_key_reused"))
        );
        let (status, body, _) = order(app, "bob", 1, "b").await;
        assert_eq!((status, &body["code"]), (409, &json!("sale_closed")));
    }
    for (fate, code) in [
        ("rejected", "order_rejected"),
        ("cancelled", "order_cancelled"),
    ] {
        sale.sql(&format!("UPDATE orders SET status = '{fate}'"))
            .await;
        let (status, body, _) = order(&sale.apps[0], "ada", 2, "a").await;
        assert_eq!((status, &body["code"]), (409, &json!(code)));
        assert_eq!(body["orderId"], sale.order);
    }
}

#[tokio::test]
async fn an_order_without_a_row_is_refused_only_when_the_log_is_written() {
    let sale = OverSale::new().await;
    sale.sql("UPDATE positions SET next_offset = 0").await;
    let order = async |app: &App| {
        let (status, body) = read(app.order(&sale.product, "bob", 1, "b").await).await;
        code((status.as_u16(), body))
    };
    for app in &sale.apps {
        assert_eq!(order(app).await, refused(503, "unavailable"));
    }
    sale.sql("UPDATE positions SET next_offset = 1000").await;
    let without_kafka = sale.stores.app(&["--kafka-brokers=127.0.0.1:1"]).await;
    assert_eq!(order(&without_kafka).await, refused(503, "unavailable"));
    for app in &sale.apps {
        until("the log is known to be written", async || {
            order(app).await == refused(409, "sale_closed")
        })
        .await;
    }
}

#[tokio::test]
async fn the_sale_and_its_terms_are_answered_from_the_ledger() {
    let sale = OverSale::new().await;
    for app in &sale.apps {
        let (status, view) = app.get(&format!("/products/{}", sale.product)).await;
        assert_eq!(status, 200, "{view}");
        sale.check(&view);
        let terms = json!({"quantity": 5, "perUserLimit": 4, "opensAt": view["opensAt"]});
        for terms in [terms, json!({"quantity": 5, "perUserLimit": 4})] {
            let (status, same) = app.open(&sale.product, &terms).await;
            assert_eq!(status, 200, "{same}");
            sale.check(&same);
        }
        let (status, problem) = app.open(&sale.product, &json!({"quantity": 7})).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (409, &json!("sale_exists"))
        );
        let detail = "the sale exists with other terms: quantity, perUserLimit";
        assert_eq!(problem["detail"], detail);
    }
}

#[tokio::test]
async fn the_figures_are_those_of_the_ledger() {
    let sale = OverSale::new().await;
    let figures = sale.apps[0].figures(&sale.product).await;
    sale.check(&figures);
    assert_eq!(figures["ledger"], json!({"sold": 2}));
    for unknown in ["orders", "outboxEntries"] {
        assert_eq!(figures[unknown], Value::Null);
    }
}

#[tokio::test]
async fn a_repeated_closing_or_restock_is_answered_and_a_new_restock_is_not() {
    let (closed, restocked) = (OverSale::new().await, OverSale::new().await);
    for app in &closed.apps {
        let path = format!("/products/{}/close", closed.product);
        let (status, view) = read(app.change(&path, None, json!({})).await).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        closed.check(&view);
    }
    for app in &restocked.apps {
        let (status, view) = app.restock(&restocked.product, "r", 2).await;
        assert_eq!(status, 200, "{view}");
        restocked.check(&view);
        let other = code(app.restock(&restocked.product, "r", 1).await);
        assert_eq!(other, refused(422, "idempotency_key_reused"));
        let new = code(app.restock(&restocked.product, "s", 2).await);
        assert_eq!(new, refused(409, "sale_closed"));
    }
}

#[tokio::test]
async fn a_cancel_is_published_and_answered_when_the_row_shows_it() {
    let sale = OverSale::new().await;
    let short = [
        "--kafka-brokers=127.0.0.1:1",
        "--kafka-message-timeout-ms=1000",
    ];
    let without_kafka = sale.stores.app(&short).await;
    let answer = without_kafka.cancel(&sale.order).await;
    assert_eq!(code(answer), refused(503, "unavailable"));

    let [one, two] = &sale.apps;
    let cancels = async { tokio::join!(one.cancel(&sale.order), two.cancel(&sale.order)) };
    let published = async {
        let cancelled = format!("{}:cancelled", sale.order);
        // The opening, the order, and a cancel of each call.
        let ids = sale.stores.ids_on_kafka(4).await;
        assert_eq!(ids.iter().filter(|id| **id == cancelled).count(), 2);
        let (_, order) = one.get(&format!("/orders/{}", sale.order)).await;
        assert_eq!(order["status"], "confirmed");
        sale.sql("UPDATE orders SET status = 'cancelled'; UPDATE stock_ledger SET sold = 0")
            .await;
    };
    let ((first, second), ()) = tokio::join!(cancels, published);
    for (status, order) in [first, second, without_kafka.cancel(&sale.order).await] {
        assert_eq!((status, &order["status"]), (200, &json!("cancelled")));
        assert_eq!(order["quantity"], 2);
    }
    for app in &sale.apps {
        let (_, view) = app.get(&format!("/products/{}", sale.product)).await;
        assert_eq!((&view["total"], &view["remaining"]), (&json!(7), &json!(7)));
    }
}

#[tokio::test]
async fn a_rejected_order_is_not_cancelled() {
    let sale = OverSale::new().await;
    sale.sql("UPDATE orders SET status = 'rejected'").await;
    for app in &sale.apps {
        let answer = code(app.cancel(&sale.order).await);
        assert_eq!(answer, refused(409, "order_rejected"));
    }
}

#[tokio::test]
async fn a_stream_shows_it_once_and_stays_open() {
    let sale = OverSale::new().await;
    let mut stream = EventStream::open(&sale.apps[1], &sale.product).await;
    sale.check(&stream.event().await.1);
    let heartbeat = stream.block().await.unwrap();
    assert!(heartbeat.starts_with("event: heartbeat"), "{heartbeat}");
}
