use std::slice::from_ref;

use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::history::History;
use e2e::order::{Sale, once};
use e2e::process::Process;
use e2e::record::Record;
use fluxgate_domain::events::OrderReserved;
use fluxgate_domain::partition;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

#[test]
fn garbage_between_orders_becomes_dead_letters_and_the_orders_are_confirmed() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _workers = (sandbox.worker().await?, sandbox.worker().await?);
        let sale = Sale::unique("garbage", 1_000)?;
        api.client()?.open(&sale).await?;

        let partitions = sandbox.stores.log.ends().await?.len();
        let partition = partition::of(&sale.product, i32::try_from(partitions)?);
        let mut history = buy(&api, &sale, 0..100).await?;
        for (number, (_, record)) in garbage(&sale, partition).iter().enumerate() {
            sandbox.stores.log.append(record).await?;
            let buyers = 100 * (number + 1)..100 * (number + 2);
            history.extend(buy(&api, &sale, buyers).await?);
        }
        sandbox
            .stores
            .expect_right(from_ref(&sale), &history, WRITE_LIMIT)
            .await?;
        let confirmed = sandbox.stores.truth(&sale).await?.rows.len();
        ensure!(
            confirmed == history.answers().len(),
            "{confirmed} orders confirmed"
        );

        let letters = sandbox.stores.database.dead_letters().await?;
        let copies = sandbox.dead_letters.records().await?;
        let garbage = garbage(&sale, partition);
        let counts = (letters.len(), copies.len());
        ensure!(
            counts == (garbage.len(), garbage.len()),
            "(letters, copies) = {counts:?}"
        );
        for ((why, record), (value, reason)) in garbage.iter().zip(&letters) {
            ensure!(reason.starts_with(why), "{why} was kept as {reason}");
            ensure!(
                record.value.as_deref().unwrap_or_default() == value,
                "{why}: {value:?}"
            );
            let copied = copies
                .iter()
                .any(|copy| copy.value == record.value && copy.key == record.key);
            ensure!(copied, "{why}: no copy on the topic of dead letters");
        }
        Ok(())
    });
}

/// What may stand on a topic that others can write to, with the beginning of the reason.
fn garbage(sale: &Sale, partition: i32) -> Vec<(&'static str, Record)> {
    let record = |ce_type: Option<&str>, key: &str, value: Option<&str>| Record {
        partition,
        key: Some(key.into()),
        value: value.map(Into::into),
        ce_type: ce_type.map(Into::into),
    };
    let (product, order) = (sale.product.as_str(), Some(OrderReserved::TYPE));
    let other = r#"{"productId":"x","total":1,"opensAt":"2026-01-01T00:00:00Z","closesAt":null,
        "perUserLimit":null,"epoch":1,"partition":0}"#;
    vec![
        ("missing_type", record(None, product, Some("{}"))),
        (
            "unknown_type",
            record(Some("fluxgate.order.eaten.v1"), product, Some("{}")),
        ),
        ("malformed", record(order, product, Some("\u{0}{"))),
        ("missing_value", record(order, product, None)),
        (
            "foreign_key",
            record(Some("fluxgate.sale.opened.v1"), product, Some(other)),
        ),
    ]
}

async fn buy(api: &Process, sale: &Sale, buyers: std::ops::Range<usize>) -> Result<History> {
    let sale = sale.clone();
    let orders = once(buyers.map(move |buyer| sale.order_of(buyer)));
    Crowd::over(16, &[api]).send(orders)?.finish().await
}
