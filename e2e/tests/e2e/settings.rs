use std::time::Duration;

use anyhow::ensure;
use e2e::program::Program::{self, IngestApi, InventoryWorker};

use crate::fixture::in_a_sandbox;

const END_LIMIT: Duration = Duration::from_secs(10);

/// A value, or none where the setting is missing.
const BAD: [(Program, &str, Option<&str>); 20] = [
    (IngestApi, "REDIS_URL", None),
    (IngestApi, "KAFKA_BROKERS", None),
    (InventoryWorker, "KAFKA_BROKERS", None),
    (InventoryWorker, "DATABASE_URL", None),
    (IngestApi, "HTTP_ADDR", Some("here")),
    (IngestApi, "REDIS_URL", Some("redis//hush")),
    (IngestApi, "KAFKA_BROKERS", Some("")),
    (
        IngestApi,
        "READ_DATABASE_URL",
        Some("postgres://me:hush@[here"),
    ),
    (IngestApi, "PUBLISH_WAIT_MS", Some("-1")),
    (IngestApi, "IN_FLIGHT_MAX", Some("many")),
    (IngestApi, "OUTBOX_MAX", Some("0.5")),
    (IngestApi, "BODY_LIMIT_BYTES", Some("16k")),
    (IngestApi, "COMPAT_ROUTES", Some("perhaps")),
    (InventoryWorker, "HTTP_ADDR", Some("127.0.0.1:70000")),
    (
        InventoryWorker,
        "DATABASE_URL",
        Some("postgres://me:hush@[here"),
    ),
    (InventoryWorker, "KAFKA_PARTITIONS", Some("none")),
    (InventoryWorker, "KAFKA_SESSION_TIMEOUT_MS", Some("-1")),
    (InventoryWorker, "MIGRATE_ON_START", Some("perhaps")),
    (InventoryWorker, "SHUTDOWN_TIMEOUT_SECONDS", Some("0")),
    (InventoryWorker, "LOG_FORMAT", Some("xml")),
];

#[test]
fn a_missing_or_bad_setting_is_named_and_ends_the_program_with_code_2() {
    in_a_sandbox(async |sandbox| {
        for (program, name, value) in BAD {
            let mut settings = sandbox.settings();
            settings.remove(name);
            settings.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            let mut process = sandbox.spawn(program, settings)?;
            let status = process.ended(END_LIMIT).await?;
            let output = process.output()?;
            let is_right = status.code() == Some(2) && output.contains(name);
            ensure!(is_right, "{program:?}, {name}: {status}, output:\n{output}");
            ensure!(!output.contains("hush"), "a password is shown:\n{output}");
        }
        Ok(())
    });
}
