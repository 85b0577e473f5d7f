use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::process::{Settings, changed};
use e2e::program::Program::{self, IngestApi, InventoryWorker};
use e2e::sandbox::Sandbox;

use crate::fixture::in_a_sandbox;

const END_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_missing_setting_is_named_and_ends_the_program_with_code_2() {
    const REQUIRED: [(Program, &str); 4] = [
        (IngestApi, "REDIS_URL"),
        (IngestApi, "KAFKA_BROKERS"),
        (InventoryWorker, "KAFKA_BROKERS"),
        (InventoryWorker, "DATABASE_URL"),
    ];
    in_a_sandbox(async |sandbox| {
        for (program, name) in REQUIRED {
            let mut settings = sandbox.settings();
            settings.retain(|(it, _)| it != name);
            ends_naming(sandbox, program, settings, name).await?;
        }
        Ok(())
    });
}

#[test]
fn a_bad_setting_is_named_and_ends_the_program_with_code_2() {
    const BAD: [(Program, &str, &str); 16] = [
        (IngestApi, "HTTP_ADDR", "here"),
        (IngestApi, "REDIS_URL", "redis//hush"),
        (IngestApi, "KAFKA_BROKERS", ""),
        (IngestApi, "READ_DATABASE_URL", "postgres://me:hush@[here"),
        (IngestApi, "PUBLISH_WAIT_MS", "-1"),
        (IngestApi, "IN_FLIGHT_MAX", "many"),
        (IngestApi, "OUTBOX_MAX", "0.5"),
        (IngestApi, "BODY_LIMIT_BYTES", "16k"),
        (IngestApi, "COMPAT_ROUTES", "perhaps"),
        (InventoryWorker, "HTTP_ADDR", "127.0.0.1:70000"),
        (InventoryWorker, "DATABASE_URL", "postgres://me:hush@[here"),
        (InventoryWorker, "KAFKA_PARTITIONS", "none"),
        (InventoryWorker, "KAFKA_SESSION_TIMEOUT_MS", "-1"),
        (InventoryWorker, "MIGRATE_ON_START", "perhaps"),
        (InventoryWorker, "SHUTDOWN_TIMEOUT_SECONDS", "0"),
        (InventoryWorker, "LOG_FORMAT", "xml"),
    ];
    in_a_sandbox(async |sandbox| {
        for (program, name, value) in BAD {
            let settings = changed(&sandbox.settings(), &[(name, value)]);
            let output = ends_naming(sandbox, program, settings, name).await?;
            ensure!(!output.contains("hush"), "a password is shown:\n{output}");
        }
        Ok(())
    });
}

async fn ends_naming(
    sandbox: &Sandbox,
    program: Program,
    settings: Settings,
    name: &str,
) -> Result<String> {
    let mut process = sandbox.spawn(program, settings)?;
    let status = process.ended(END_LIMIT).await?;
    let output = process.output()?;
    let right = status.code() == Some(2) && output.contains(name);
    ensure!(right, "{program:?}, {name}: {status}, output:\n{output}");
    Ok(output)
}
