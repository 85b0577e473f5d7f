use anyhow::ensure;
use e2e::load::once;
use e2e::order::Sale;
use e2e::stores::Record;
use fluxgate_domain::events::OrderReserved;
use fluxgate_domain::partition;

use crate::fixture::{crowd, expect_right, in_a_sandbox, open_sales};

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
        let published = sandbox.dead_letters.records().await?;
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
