//! What the API reads of a log that was written, and what it reads while PostgreSQL fails.

use std::time::Duration;

use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSeries, OrderStatus, SequenceNumber};
use fluxgate_ledger::{LedgerReadMetrics, LedgerReader, ReadClass, ReaderSettings, Unavailable};
use prometheus::Registry;
use uuid::Uuid;

use crate::fixture::{Schema, terms};
use crate::logs::log;

fn settings(url: &str) -> ReaderSettings<'_> {
    ReaderSettings {
        url,
        ca_certificates: None,
        application_name: "test",
        connections: 4,
        timeout: Duration::from_secs(5),
    }
}

fn reader(url: &str, registry: &Registry) -> LedgerReader {
    let metrics = LedgerReadMetrics::register(registry, "test");
    LedgerReader::connect(settings(url), metrics).unwrap()
}

fn product(name: &str) -> ProductId {
    ProductId::parse(name).unwrap()
}

async fn ids(schema: &Schema) -> Vec<OrderId> {
    let select = "SELECT order_id FROM orders ORDER BY product_id, sequence";
    let rows = schema.sql.query(select, &[]).await.unwrap();
    let ids = rows.iter().map(|row| row.get::<_, Uuid>(0));
    ids.map(|id| OrderId::try_from(id).unwrap()).collect()
}

/// Waits until a statement on `orders` of this application waits for a lock, and runs `end` with its pid.
async fn end_what_waits(schema: &Schema, application: &str, end: &str) {
    let sql = format!(
        "SELECT {end}(pid) FROM pg_stat_activity
         WHERE application_name = '{application}' AND wait_event_type = 'Lock'"
    );
    while schema.sql.query(&sql, &[]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        // Within a transaction the view would not change.
        let clear = "SELECT pg_stat_clear_snapshot()";
        schema.sql.batch_execute(clear).await.unwrap();
    }
}

#[tokio::test]
async fn sales_series_and_orders_are_read_many_at_a_time_in_the_order_of_their_keys() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 3).await;
    let reader = reader(&schema.settings.database_url, &Registry::new());
    for class in [ReadClass::Known, ReadClass::Unknown] {
        let products = [product("nowhere"), product("a"), product("a")];
        let entries = reader.entries(class, &products).await;
        let entries: Vec<_> = entries.into_iter().map(|entry| entry.unwrap()).collect();
        assert_eq!(entries[1].and_then(|entry| entry.terms), Some(terms(3)));
        let entries = entries.into_iter();
        let highest: Vec<_> = entries.map(|entry| Some(entry?.highest)).collect();
        let a = Some(SequenceNumber::new(1, 3));
        assert_eq!(highest, [None, a, a]);

        let mut wanted = ids(&schema).await;
        wanted.reverse();
        wanted.insert(
            1,
            OrderId::try_from(Uuid::from_u128(8 << 76 | 2 << 62)).unwrap(),
        );
        let orders = reader.orders(class, &wanted).await;
        let rows: Vec<_> = orders.into_iter().map(|order| order.unwrap()).collect();
        let found = rows.iter().map(Option::is_some);
        assert!(found.eq((0..wanted.len()).map(|at| at != 1)));
        let oversold = rows.iter().flatten();
        let oversold = oversold.filter(|row| row.status == OrderStatus::Rejected);
        assert!(oversold.count() > 0);
    }
    let [a, late, nowhere] = ["a", "late", "nowhere"].map(|name| NumberSeries::of(&product(name)));
    let mut highest = reader.highest(&[&a, &late, &nowhere]).await.unwrap();
    highest.sort();
    let numbers = [("a", 3), ("late", 2)];
    let numbers = numbers.map(|(name, n)| (name.to_owned(), SequenceNumber::new(1, n)));
    assert_eq!(highest, numbers);
}

#[test]
fn the_pools_of_all_threads_have_the_connections_of_the_setting_together() {
    for connections in 1..=20 {
        let registry = Registry::new();
        let settings = ReaderSettings {
            connections,
            ..settings("postgres://localhost/test")
        };
        let metrics = LedgerReadMetrics::register(&registry, "test");
        let reader = LedgerReader::connect(settings, metrics).unwrap();
        reader.register_metrics(&registry, "test");
        let families = registry.gather();
        let most = families
            .iter()
            .find(|it| it.name() == "test_postgres_connections_max")
            .unwrap();
        let most = most
            .get_metric()
            .iter()
            .map(|it| it.get_gauge().get_value());
        assert_eq!(most.sum::<f64>(), connections as f64);
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_decoded_fails_alone() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 3).await;
    let ids = ids(&schema).await;
    let damage = "UPDATE orders SET epoch = -1 WHERE order_id = $1";
    schema
        .sql
        .execute(damage, &[&ids[0].as_uuid()])
        .await
        .unwrap();
    let reader = reader(&schema.settings.database_url, &Registry::new());
    let orders = reader.orders(ReadClass::Known, &ids).await;
    assert_eq!(orders[0], Err(Unavailable));
    assert!(orders[1..].iter().all(|order| matches!(order, Ok(Some(_)))));
}

#[tokio::test]
async fn a_read_that_is_cancelled_or_whose_session_is_ended_is_made_again() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 3).await;
    let ids = ids(&schema).await;
    let application = format!("reads_{}", Uuid::new_v4().simple());
    let url = &schema.settings.database_url;
    let url = format!("{url}&application_name={application}");
    let reader = reader(&url, &Registry::new());
    for end in ["pg_cancel_backend", "pg_terminate_backend"] {
        let locked = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE";
        schema.sql.batch_execute(locked).await.unwrap();
        let reading = reader.orders(ReadClass::Known, &ids);
        let ending = async {
            end_what_waits(&schema, &application, end).await;
            schema.sql.batch_execute("COMMIT").await.unwrap();
        };
        let (orders, ()) = tokio::join!(reading, ending);
        let found = orders.iter().filter(|order| matches!(order, Ok(Some(_))));
        assert_eq!(found.count(), ids.len(), "{end}: {orders:?}");
    }
}

#[tokio::test]
async fn a_column_whose_type_has_changed_is_read_on_a_new_connection() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 3).await;
    let ids = ids(&schema).await;
    let reader = reader(&schema.settings.database_url, &Registry::new());
    for column_type in ["varchar", "text"] {
        let alter = format!("ALTER TABLE orders ALTER user_id TYPE {column_type}");
        schema.sql.batch_execute(&alter).await.unwrap();
        let orders = reader.orders(ReadClass::Known, &ids).await;
        assert!(
            orders.iter().all(|order| matches!(order, Ok(Some(_)))),
            "{orders:?}"
        );
    }
}

#[tokio::test]
async fn an_unavailable_database_is_asked_now_and_then() {
    const READS: u32 = 1_000;
    let registry = Registry::new();
    let reader = reader("postgres://nobody@127.0.0.1:1/none", &registry);
    for _ in 0..READS {
        let entries = reader.entries(ReadClass::Known, &[product("a")]).await;
        assert_eq!(entries, [Err(Unavailable)]);
    }
    let families = registry.gather();
    let reads = families
        .iter()
        .find(|it| it.name() == "test_ledger_reads_total");
    let unavailable = reads.unwrap().get_metric().iter().find(|metric| {
        let mut labels = metric.get_label().iter();
        labels.any(|label| label.value() == "unavailable")
    });
    let asked = unavailable.unwrap().get_counter().get_value();
    assert!(
        asked >= 4.0 && asked < f64::from(READS),
        "asked {asked} times"
    );
}
