//! Status reads while PostgreSQL or one of its rows fails.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::fixture::{App, Stores, unique};

/// An instance with orders, whose sessions in PostgreSQL have a name of their own.
struct Instance {
    stores: Stores,
    app: App,
    application: String,
    orders: Vec<String>,
}

impl Instance {
    async fn new(orders: usize) -> Self {
        let stores = Stores::new().await;
        let application = unique("reads");
        let url = format!("{}&application_name={application}", stores.database_url);
        let app = stores
            .app(&[
                "--read-database-url",
                &url,
                "--read-database-timeout-ms=10000",
            ])
            .await;
        let product = app.sale(1_000).await;
        let mut paths = Vec::new();
        for n in 0..orders {
            let answer = app.order(&product, &format!("u{n}"), 1, "key").await;
            let path = answer.headers()["location"].to_str().unwrap().to_owned();
            paths.push(path);
        }
        Self {
            stores,
            app,
            application,
            orders: paths,
        }
    }

    async fn statuses(&self) -> Vec<StatusCode> {
        let reads = self.orders.iter().map(|path| self.app.get(path));
        let answers = join_all(reads).await.into_iter();
        answers.map(|(status, _)| status).collect()
    }

    async fn lock_orders(&self) {
        let lock = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE";
        self.stores.sql.batch_execute(lock).await.unwrap();
    }

    async fn unlock(&self) {
        self.stores.sql.batch_execute("COMMIT").await.unwrap();
    }

    /// Waits until reads wait for a lock, and runs `end` with their pids.
    async fn end_what_waits(&self, end: &str) {
        let sql = format!(
            "SELECT {end}(pid) FROM pg_stat_activity
             WHERE application_name = '{}' AND wait_event_type = 'Lock'",
            self.application
        );
        while self.stores.sql.query(&sql, &[]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // Within a transaction the view would not change.
            let clear = "SELECT pg_stat_clear_snapshot()";
            self.stores.sql.batch_execute(clear).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_cancelled_read_fails_no_request() {
    let instance = Instance::new(1).await;
    instance.lock_orders().await;
    let cancelling = async {
        instance.end_what_waits("pg_cancel_backend").await;
        instance.unlock().await;
    };
    let (statuses, ()) = tokio::join!(instance.statuses(), cancelling);
    assert_eq!(statuses, [StatusCode::OK]);
    for _ in 0..20 {
        assert_eq!(instance.statuses().await, [StatusCode::OK]);
    }
}

#[tokio::test]
async fn sessions_that_postgresql_ends_fail_no_request() {
    let instance = Instance::new(200).await;
    instance.lock_orders().await;
    let ending = async {
        instance.end_what_waits("pg_terminate_backend").await;
        instance.unlock().await;
    };
    let (statuses, ()) = tokio::join!(instance.statuses(), ending);
    let failed = statuses.iter().filter(|status| **status != StatusCode::OK);
    assert_eq!(failed.count(), 0, "{statuses:?}");
    // 200 requests, few calls.
    let app = &instance.app;
    let calls = app
        .metric("ledger_read_seconds_count{read=\"orders\"}")
        .await;
    assert!(calls < 20.0, "{calls}");
}

#[tokio::test]
async fn a_damaged_record_fails_its_own_order_only() {
    let instance = Instance::new(3).await;
    let id = instance.orders[0].strip_prefix("/orders/").unwrap();
    let key = &instance.stores.keys("fg:*:orders:*").await[0];
    instance
        .stores
        .redis::<()>("HSET", &[key, id, "damaged"])
        .await;
    let [damaged, good @ ..] = &instance.statuses().await[..] else {
        panic!("no orders");
    };
    assert_eq!(*damaged, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(good, [StatusCode::OK; 2]);
}
