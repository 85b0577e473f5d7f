//! Databases that cannot hold every text.

use std::time::Duration;

use fluxgate_ledger::{Ledger, LedgerError, SchemaError};
use fluxgate_service::settings::PostgresSettings;

use crate::fixture::Schema;

#[tokio::test]
async fn a_database_with_another_encoding_than_utf8_is_refused() {
    let schema = Schema::new().await;
    schema.ledger.check_encoding().await.unwrap();
    let name = format!("latin_{}", uuid::Uuid::new_v4().simple());
    let create = format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    );
    schema.sql.batch_execute(&create).await.unwrap();
    let url = &schema.settings.database_url;
    let settings = PostgresSettings {
        database_url: url.replacen("/fluxgate?", &format!("/{name}?"), 1),
        database_ca_file: None,
    };
    let ledger = Ledger::connect(&settings, "test", 1, Duration::from_secs(5)).unwrap();
    let migrated = ledger.migrate().await;
    let checked = ledger.check_encoding().await;
    drop(ledger);
    let forget = format!("DROP DATABASE {name} WITH (FORCE)");
    schema.sql.batch_execute(&forget).await.unwrap();

    let error = migrated.unwrap_err();
    assert!(error.to_string().contains("LATIN1, not UTF8"), "{error}");
    assert!(matches!(
        error,
        SchemaError::Ledger(LedgerError::Encoding(_))
    ));
    assert!(matches!(checked, Err(LedgerError::Encoding(found)) if found == "LATIN1"));
}
