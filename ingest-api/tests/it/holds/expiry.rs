use fluxgate_domain::OrderStatus;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::*;

/// Terms under which an order expires after one second.
fn short() -> Value {
    json!({"holdSeconds": 1, "holdGraceSeconds": 0})
}

fn blocked(reason: &str) -> String {
    format!(r#"hold_expiry_blocked{{reason="{reason}"}}"#)
}

impl App {
    /// Waits until the expiry of so many sales is blocked for this reason.
    async fn until_blocked(&self, reason: &str, sales: f64) {
        until(&format!("blocked: {reason}"), async || {
            self.metric_if_known(&blocked(reason)).await == Some(sales)
        })
        .await;
    }
}

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_gives_its_units_back() {
    let stores = Stores::new().await;
    let apps = [stores.app(&HOLDS).await, stores.app(&HOLDS).await];
    let _worker = Worker::start(&stores).await;
    let product = apps[0].sale_with_holds(3, short()).await;
    let paid = apps[0].place(&product, "ada", 1, "a").await;
    assert_eq!(apps[0].completed(&paid).await.0, 200);
    let (_, unpaid) = read(apps[1].order(&product, "bob", 2, "b").await).await;
    assert!(unpaid["expiresAt"].is_string(), "{unpaid}");
    let unpaid = unpaid["orderId"].as_str().unwrap().to_owned();
    let mut rank = 0;
    until("both instances show the expiry", async || {
        let mut expired = true;
        for app in &apps {
            let status: OrderStatus = app.status(&unpaid).await.parse().unwrap();
            assert!(status.rank() >= rank, "{status:?}");
            rank = status.rank();
            expired &= status == OrderStatus::Expired;
        }
        expired
    })
    .await;
    for app in &apps {
        until("the units can be sold", async || {
            app.stock(&product).await == [json!(2), json!(0), json!("open")]
        })
        .await;
        let (status, problem) = app.completed(&unpaid).await;
        assert_eq!((status, &problem["code"]), (409, &json!("order_expired")));
        assert_eq!(
            (&problem["orderId"], &problem["remaining"]),
            (&json!(unpaid), &json!(2))
        );
        let (status, problem) = app.cancel(&unpaid).await;
        assert_eq!((status, &problem["code"]), (409, &json!("order_expired")));
        let (status, problem) = read(app.order(&product, "bob", 2, "b").await).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (409, &json!("order_expired"))
        );
        assert_eq!(problem["orderId"], unpaid);
        assert_eq!(app.status(&paid).await, "completed");
        let (_, order) = app.get(&format!("/orders/{unpaid}")).await;
        assert!(order.get("expiresAt").is_none(), "{order}");
    }
    until("the row says so", async || {
        let row = format!("SELECT status FROM orders WHERE order_id = '{unpaid}'");
        let row = stores.sql.query_one(&row, &[]).await.unwrap();
        row.get::<_, &str>(0) == "expired"
    })
    .await;
    apps[1].place(&product, "bob", 2, "again").await;
}

#[tokio::test]
async fn a_wave_of_expiries_takes_several_pages_and_counts_each_order_once() {
    let stores = Stores::new().await;
    let more = ["--sale-features=holds", "--outbox-shared-entries=on"];
    let apps = [stores.app(&more).await, stores.app(&more).await];
    let _worker = Worker::start(&stores).await;
    let product = apps[0].sale_with_holds(250, short()).await;
    let orders = (0..250).map(|n| {
        let (app, user) = (&apps[n % 2], format!("u{n}"));
        let product = &product;
        async move { app.place(product, &user, 1, "k").await }
    });
    futures_util::future::join_all(orders).await;
    until("all units can be sold", async || {
        apps[0].stock(&product).await == [json!(250), json!(0), json!("open")]
    })
    .await;
    let mut expired = 0.0;
    for app in &apps {
        expired += app.metric("orders_expired_total").await;
    }
    assert_eq!(expired, 250.0);
}

#[tokio::test]
async fn nothing_expires_before_the_worker_has_written_the_log() {
    let stores = Stores::new().await;
    let app = stores.app(&HOLDS).await;
    let worker = Worker::start(&stores).await;
    let terms = json!({"holdSeconds": 3, "holdGraceSeconds": 0});
    let product = app.sale_with_holds(2, terms).await;
    let written = app.place(&product, "ada", 1, "a").await;
    app.until_status(&written, "confirmed").await;
    drop(worker);
    let unwritten = app.place(&product, "bob", 1, "b").await;
    app.until_blocked("ledger", 1.0).await;
    until("the lateness is shown", async || {
        app.metric("hold_expiry_lateness_seconds").await > 3.0
    })
    .await;
    assert_eq!(app.status(&written).await, "confirmed");
    assert_eq!(app.status(&unwritten).await, "accepted");
    assert_eq!(app.metric("orders_expired_total").await, 0.0);
    let _worker = Worker::start(&stores).await;
    for order in [&written, &unwritten] {
        app.until_status(order, "expired").await;
    }
    app.until_blocked("ledger", 0.0).await;
    until("nothing is late", async || {
        app.metric("hold_expiry_lateness_seconds").await == 0.0
    })
    .await;
}

#[tokio::test]
async fn an_order_whose_row_is_completed_does_not_expire_although_redis_has_lost_that() {
    let stores = Stores::new().await;
    let app = stores.app(&HOLDS).await;
    let _worker = Worker::start(&stores).await;
    let product = app
        .sale_with_holds(2, json!({"holdSeconds": 3, "holdGraceSeconds": 0}))
        .await;
    let paid = app.place(&product, "ada", 1, "a").await;
    let unpaid = app.place(&product, "bob", 1, "b").await;
    app.until_status(&paid, "confirmed").await;
    // Its number was given to another event since.
    let completed = format!(
        "UPDATE orders SET status = 'completed', completion_number = (1::bigint << 32) + 1 WHERE order_id = '{paid}'"
    );
    stores.sql(&completed).await;
    app.until_status(&unpaid, "expired").await;
    until("a further pass has seen it", async || {
        app.metric("hold_expiry_lateness_seconds").await > 2.0
    })
    .await;
    assert_eq!(app.metric("orders_expired_total").await, 1.0);
    assert_eq!(app.status(&paid).await, "completed");
}

#[tokio::test]
async fn lost_completions_of_more_than_a_page_of_orders_keep_no_other_from_expiring() {
    let stores = Stores::new().await;
    let app = stores.app(&HOLDS).await;
    let _worker = Worker::start(&stores).await;
    let paid = 105;
    let product = app
        .sale_with_holds(paid + 1, json!({"holdSeconds": 8, "holdGraceSeconds": 0}))
        .await;
    let users: Vec<String> = (0..paid).map(|n| format!("user-{n}")).collect();
    join_all(users.iter().map(|user| app.place(&product, user, 1, "a"))).await;
    let unpaid = app.place(&product, "last", 1, "a").await;
    app.until_status(&unpaid, "confirmed").await;
    let completed = format!(
        "UPDATE orders SET status = 'completed', completion_number = 1 << 20 WHERE order_id <> '{unpaid}'"
    );
    stores.sql(&completed).await;
    app.until_status(&unpaid, "expired").await;
    assert_eq!(app.metric("orders_expired_total").await, 1.0);
}

#[tokio::test]
async fn nothing_expires_for_one_grace_after_an_interruption() {
    let stores = Stores::new().await;
    let app = stores.app(&HOLDS).await;
    let terms = json!({"holdSeconds": 1, "holdGraceSeconds": 3});
    let product = app.sale_with_holds(1, terms).await;
    let id = app.place(&product, "ada", 1, "a").await;
    app.until_blocked("ledger", 1.0).await;
    let sale = stores.keys("fg:*:sale:*").await.remove(0);
    stores.redis::<()>("HSET", &[&sale, "expiry", "1 1"]).await;
    app.until_blocked("paused", 1.0).await;
    let resumes: String = stores.redis("HGET", &[&sale, "expiry"]).await;
    let resumes: i64 = resumes.split_once(' ').unwrap().1.parse().unwrap();
    let _worker = Worker::start(&stores).await;
    app.until_status(&id, "expired").await;
    assert!(Timestamp::now().as_millisecond() >= resumes);
}

#[tokio::test]
async fn a_payment_counts_until_the_grace_ends() {
    let stores = Stores::new().await;
    let (app, _worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let product = app.sale_with_holds(1, json!({"holdSeconds": 1})).await;
    let (_, order) = read(app.order(&product, "ada", 1, "a").await).await;
    let expires_at: Timestamp = order["expiresAt"].as_str().unwrap().parse().unwrap();
    until("the hold has ended", async || Timestamp::now() > expires_at).await;
    let (status, order) = app.completed(order["orderId"].as_str().unwrap()).await;
    assert_eq!((status, &order["status"]), (200, &json!("completed")));
}

#[tokio::test]
async fn a_sale_whose_orders_cannot_expire_does_not_keep_others_from_it() {
    let stores = Stores::new().await;
    let app = stores.app(&HOLDS).await;
    let mut sales = Vec::new();
    for user in ["ada", "bob"] {
        let product = app.sale_with_holds(1, short()).await;
        sales.push((app.place(&product, user, 1, user).await, product));
    }
    let (_, damaged) = &sales[0];
    let holds = stores.keys(&format!("fg:*:users:{damaged}")).await;
    stores.redis::<()>("DEL", &[&holds[0]]).await;
    let _worker = Worker::start(&stores).await;
    app.until_status(&sales[1].0, "expired").await;
    app.until_blocked("redis", 1.0).await;
    assert_eq!(app.status(&sales[0].0).await, "confirmed");
}

#[tokio::test]
async fn nothing_expires_without_kafka() {
    let stores = Stores::new().await;
    let (app, _worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let terms = json!({"holdSeconds": 2, "holdGraceSeconds": 0});
    let product = app.sale_with_holds(1, terms).await;
    let id = app.place(&product, "ada", 1, "a").await;
    app.until_status(&id, "confirmed").await;
    app.stop();
    let without_kafka = [HOLDS[0], "--kafka-brokers=127.0.0.1:1"];
    let without_kafka = stores.app(&without_kafka).await;
    without_kafka.until_blocked("kafka", 1.0).await;
    assert_eq!(without_kafka.status(&id).await, "confirmed");
    drop(without_kafka);
    stores.app(&HOLDS).await.until_status(&id, "expired").await;
}
