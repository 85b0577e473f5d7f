use std::time::Duration;

use anyhow::ensure;
use e2e::program::Program::{self, IngestApi, InventoryWorker};
use e2e::wait::wait_until;

use crate::fixture::in_a_sandbox;

const END_LIMIT: Duration = Duration::from_secs(10);

/// A setting that is missing where it has no value.
const BAD: [(Program, &str); 31] = [
    (IngestApi, "REDIS_URL"),
    (IngestApi, "KAFKA_BROKERS"),
    (InventoryWorker, "KAFKA_BROKERS"),
    (InventoryWorker, "DATABASE_URL"),
    (IngestApi, "HTTP_ADDR=here"),
    (IngestApi, "REDIS_URL=redis//hush"),
    (IngestApi, "KAFKA_BROKERS="),
    (IngestApi, "READ_DATABASE_URL=postgres://me:hush@[here"),
    (IngestApi, "PUBLISH_WAIT_MS=-1"),
    (IngestApi, "IN_FLIGHT_MAX=many"),
    (IngestApi, "OUTBOX_MAX=0.5"),
    (IngestApi, "BODY_LIMIT_BYTES=16k"),
    (IngestApi, "COMPAT_ROUTES=perhaps"),
    (IngestApi, "PAGES=perhaps"),
    (IngestApi, "PAGES_CHECKOUT_URL=https://shop.example/pay"),
    (IngestApi, "OUTBOX_SHARED_ENTRIES=true"),
    (IngestApi, "ADMIN_TOKEN=hush"),
    (IngestApi, "AUTH_HS256_SECRET=hush"),
    (IngestApi, "AUTH_JWKS_URL=login"),
    (IngestApi, "RATE_LIMIT_PER_USER=20"),
    (IngestApi, "TRUSTED_PROXIES=ingress"),
    (IngestApi, "SALE_FEATURES=limits,seats"),
    (IngestApi, "SALE_FEATURES=queue"),
    (IngestApi, "QUEUE_SECRETS=hush"),
    (InventoryWorker, "HTTP_ADDR=127.0.0.1:70000"),
    (InventoryWorker, "DATABASE_URL=postgres://me:hush@[here"),
    (InventoryWorker, "KAFKA_PARTITIONS=none"),
    (InventoryWorker, "KAFKA_SESSION_TIMEOUT_MS=-1"),
    (InventoryWorker, "MIGRATE_ON_START=perhaps"),
    (InventoryWorker, "SHUTDOWN_TIMEOUT_SECONDS=0"),
    (InventoryWorker, "LOG_FORMAT=xml"),
];

#[test]
fn an_instance_warns_of_a_redis_that_evicts_keys() {
    in_a_sandbox(async |sandbox| {
        let evicting = "ingest_api_redis_nodes_evicting";
        let redis = &sandbox.stores.redis;
        // Without `maxmemory` nothing is evicted.
        redis.configure("maxmemory-policy", "allkeys-lru").await?;
        let api = sandbox.api().await?;
        let noticed = wait_until("it is noticed", END_LIMIT, async || {
            let count = api.metric(evicting).await?;
            ensure!(count == 1.0, "{evicting} is {count}");
            Ok(())
        });
        let noticed = noticed.await;
        redis.configure("maxmemory-policy", "noeviction").await?;
        noticed?;
        let output = api.output()?;
        ensure!(output.contains("Redis evicts keys"), "{output}");
        Ok(())
    });
}

#[test]
fn a_missing_or_bad_setting_is_named_and_ends_the_program_with_code_2() {
    in_a_sandbox(async |sandbox| {
        for (program, bad) in BAD {
            let (name, value) = bad.split_once('=').unzip();
            let name = name.unwrap_or(bad);
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
