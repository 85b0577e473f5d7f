use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::load::once;
use e2e::order::Sale;
use e2e::process::changed;
use e2e::program::Program;
use e2e::sandbox::Sandbox;
use e2e::stores::Record;
use e2e::wait::wait_until;
use fluxgate_domain::events::OrderReserved;
use fluxgate_domain::partition;

use crate::fixture::{crowd, expect_right, in_a_sandbox, open_sales};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn malformed_records_between_orders_become_dead_letters_and_the_orders_are_confirmed() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
        let sales = open_sales(&api, 1, 1_000).await?;
        let stores = &sandbox.stores;
        let partitions = i32::try_from(stores.topic.ends().await?.len())?;
        let malformed = malformed(&sales[0], partition::of(&sales[0].product, partitions));

        let player = crowd(16, &[&api]);
        let mut history = player.play(&sales, once(0..1, 0..100)).await?;
        for (number, (_, record)) in (1..).zip(&malformed) {
            stores.topic.append(record).await?;
            let buyers = 100 * number..100 * (number + 1);
            history.extend(player.play(&sales, once(0..1, buyers)).await?)?;
        }
        let found = expect_right(sandbox, &history).await?;
        let confirmed = found.counted("PostgreSQL: orders confirmed");
        ensure!(confirmed == 600, "{confirmed} orders confirmed");

        let letters = stores.postgres.dead_letters().await?;
        let published = copies(sandbox, letters.len()).await?;
        let counts = (letters.len(), published.len());
        let expected = (malformed.len(), malformed.len());
        ensure!(counts == expected, "(rows, records) = {counts:?}");
        for ((why, record), (value, reason)) in malformed.iter().zip(&letters) {
            ensure!(reason.starts_with(why), "{why} was kept as {reason}");
            let sent = record.value.as_deref().unwrap_or_default();
            ensure!(sent == value, "{why}: {value:?}");
            let mut published = published.iter();
            let is_published = published.any(|it| it.value == record.value && it.key == record.key);
            ensure!(is_published, "{why}: not on the topic of dead letters");
        }
        Ok(())
    });
}

#[test]
fn each_dead_letter_of_a_batch_that_is_tried_again_and_halved_is_copied_once() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let settings = changed(&sandbox.settings(), &[("BATCH_MAX_AGE_MS", "500")]);
        let mut worker = sandbox.start(Program::InventoryWorker, settings).await?;
        let sales = open_sales(&api, 1, 1_000).await?;
        worker.stop(LIMIT).await?;
        let (postgres, topic) = (&sandbox.stores.postgres, &sandbox.stores.topic);
        let partitions = i32::try_from(topic.ends().await?.len())?;
        let malformed = malformed(&sales[0], partition::of(&sales[0].product, partitions));
        for (_, record) in &malformed {
            topic.append(record).await?;
        }
        topic.append(&restock_of_no_sale()).await?;
        crowd(16, &[&api]).play(&sales, once(0..1, 0..100)).await?;

        // One order is refused, and until they are granted, all are.
        let refuse = "ALTER TABLE orders ADD CONSTRAINT orders_no_7 CHECK (sequence <> 7);
            REVOKE INSERT ON orders FROM CURRENT_USER";
        postgres.execute(refuse).await?;
        worker.start_again()?;
        wait_until("the batch is tried again", LIMIT, async || {
            let retries = r#"inventory_worker_flush_retries_total{cause="server"}"#;
            let retries = worker.metric(retries).await?;
            ensure!(retries > 2.0, "{retries} retries");
            Ok(())
        })
        .await?;
        let grant = "GRANT INSERT ON orders TO CURRENT_USER";
        postgres.execute(grant).await?;
        let expected = malformed.len() + 2;
        wait_until("all dead letters are written", LIMIT, async || {
            let letters = postgres.dead_letters().await?.len();
            ensure!(letters == expected, "{letters} dead letters");
            Ok(())
        })
        .await?;
        copies(sandbox, expected).await?;
        worker.stop(LIMIT).await?;
        let copies = copies(sandbox, expected).await?.len();
        ensure!(copies == expected, "{copies} copies");
        Ok(())
    });
}

#[test]
fn a_worker_that_is_killed_between_the_commit_and_the_copies_loses_and_doubles_none() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let mut worker = sandbox.worker().await?;
        let sales = open_sales(&api, 1, 10).await?;
        let postgres = &sandbox.stores.postgres;
        let connection = postgres.connect().await?;
        let holder = &connection.client;
        // A worker that takes dead letters to copy them waits until this test releases a lock.
        let hold = "SELECT pg_advisory_lock(hashtext(current_schema()));
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock_shared(hashtext(current_schema()));
                RETURN new;
            END $$;
            CREATE TRIGGER hold BEFORE UPDATE ON dead_letters FOR EACH ROW EXECUTE FUNCTION hold()";
        holder.batch_execute(hold).await?;
        let malformed = malformed(&sales[0], 0);
        for (_, record) in &malformed {
            sandbox.stores.topic.append(record).await?;
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))";
        wait_until("the copies wait", LIMIT, async || {
            let letters = postgres.dead_letters().await?.len();
            let waiting: i64 = holder.query_one(waiting, &[]).await?.try_get(0)?;
            ensure!(
                letters == malformed.len() && waiting > 0,
                "{letters}, {waiting}"
            );
            Ok(())
        })
        .await?;
        worker.kill()?;
        holder
            .batch_execute("SELECT pg_advisory_unlock_all()")
            .await?;
        worker.restart().await?;
        copies(sandbox, malformed.len()).await?;
        worker.stop(LIMIT).await?;
        let copies = copies(sandbox, malformed.len()).await?.len();
        ensure!(copies == malformed.len(), "{copies} copies");
        Ok(())
    });
}

/// What is on the topic of dead letters, once it has at least so many records.
async fn copies(sandbox: &Sandbox, expected: usize) -> Result<Vec<Record>> {
    wait_until("all dead letters are copied", LIMIT, async || {
        let copies = sandbox.dead_letters.records().await?;
        ensure!(copies.len() >= expected, "{} copies", copies.len());
        Ok(copies)
    })
    .await
}

/// A change that no worker applies.
fn restock_of_no_sale() -> Record {
    let value = r#"{"productId":"nowhere","restockId":"01a1fb67-1800-897f-98f2-381895f55db8","quantity":1,
        "epoch":1,"sequence":1,"restockedAt":"2026-01-01T00:00:00Z"}"#;
    Record {
        partition: 0,
        key: Some("nowhere".into()),
        value: Some(value.into()),
        ce_type: Some("fluxgate.sale.restocked.v1".into()),
    }
}

/// What may be on a topic that others can write to, with the beginning of the reason.
fn malformed(sale: &Sale, partition: i32) -> [(&'static str, Record); 5] {
    let record = |ce_type: Option<&str>, value: Option<&str>| Record {
        partition,
        key: Some(sale.product.as_str().into()),
        value: value.map(Into::into),
        ce_type: ce_type.map(Into::into),
    };
    let (order, opened) = (Some(OrderReserved::TYPE), Some("fluxgate.sale.opened.v1"));
    let other = r#"{"productId":"x","total":1,"opensAt":"2026-01-01T00:00:00Z","closesAt":null,
        "perUserLimit":null,"epoch":1,"partition":0}"#;
    [
        ("missing_type", record(None, Some("{}"))),
        (
            "unknown_type",
            record(Some("fluxgate.order.eaten.v1"), Some("{}")),
        ),
        ("malformed", record(order, Some("\u{0}{"))),
        ("missing_value", record(order, None)),
        ("foreign_key", record(opened, Some(other))),
    ]
}
