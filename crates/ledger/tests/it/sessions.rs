//! Connections that are of no more use: the call that finds one fails, the next one has a new connection.

use fluxgate_ledger::Ledger;
use prometheus::Registry;

use crate::fixture::{Schema, TOPIC, batch, opening};

/// Makes the session that gives a partition its first position take no writes from then on.
const READ_ONLY_FROM_NOW_ON: &str = "
    CREATE FUNCTION read_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('default_transaction_read_only', 'on', false);
        RETURN NEW;
    END $$;
    CREATE TRIGGER read_only BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION read_only()";

async fn write(ledger: &Ledger, offset: i64) -> Result<u64, &'static str> {
    let records = [opening(offset, &format!("p{offset}"), 1)];
    let written = ledger.write(TOPIC, &batch(&records)).await;
    let written = written.map_err(|error| error.cause());
    written.map(|written| written.duplicates)
}

fn closed(registry: &Registry, reason: &str) -> f64 {
    let families = registry.gather();
    let name = "test_postgres_connections_closed_total";
    let closed = families.iter().find(|it| it.name() == name).unwrap();
    let of_reason = closed.get_metric().iter().find(|metric| {
        let mut labels = metric.get_label().iter();
        labels.any(|label| label.value() == reason)
    });
    of_reason.unwrap().get_counter().get_value()
}

#[tokio::test]
async fn a_session_that_takes_no_writes_is_used_once() {
    let schema = Schema::new().await;
    let registry = Registry::new();
    schema.ledger.register_metrics(&registry, "test");
    schema
        .sql
        .batch_execute(READ_ONLY_FROM_NOW_ON)
        .await
        .unwrap();

    schema.ledger.position(TOPIC, 1).await.unwrap();
    assert_eq!(write(&schema.ledger, 0).await, Err("session"));
    assert_eq!(write(&schema.ledger, 0).await, Ok(0));

    schema.ledger.position(TOPIC, 2).await.unwrap();
    assert_eq!(schema.ledger.probe().await.unwrap_err().cause(), "session");
    schema.ledger.probe().await.unwrap();
    assert_eq!(closed(&registry, "read_only"), 2.0);
}

#[tokio::test]
async fn a_database_that_takes_no_writes_gets_no_connection() {
    let mut schema = Schema::new().await;
    let url = &mut schema.settings.database_url;
    url.push_str("%20-c%20default_transaction_read_only%3Don");
    let ledger = Ledger::connect(
        &schema.settings,
        "test",
        1,
        std::time::Duration::from_secs(5),
    );
    let refused = ledger.unwrap().probe().await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("database does not allow writes"), "{text}");
}

#[tokio::test]
async fn a_statement_that_no_longer_fits_the_schema_fails_once() {
    let schema = Schema::new().await;
    let registry = Registry::new();
    schema.ledger.register_metrics(&registry, "test");
    assert_eq!(write(&schema.ledger, 0).await, Ok(0));
    let alter = "ALTER TABLE stock_ledger ALTER product_id TYPE varchar";
    schema.sql.batch_execute(alter).await.unwrap();
    assert_eq!(write(&schema.ledger, 1).await, Err("session"));
    assert_eq!(write(&schema.ledger, 1).await, Ok(0));
    assert_eq!(closed(&registry, "stale_plan"), 1.0);
}
