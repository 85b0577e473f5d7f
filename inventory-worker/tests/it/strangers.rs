//! Records on the topic that no producer of ours sent.

use fluxgate_domain::batch::{Content, Record};
use fluxgate_domain::events::{
    Event, OrderCancelled, OrderCompleted, OrderReserved, QueueChanged, QueueStarted,
};

use crate::fixture::{opening, order, until};
use crate::line::Line;

const TYPE: &[u8] = OrderReserved::TYPE.as_bytes();

/// What a cancel has beside its order.
const CANCELLED: &str =
    r#""cancelEpoch":1,"cancelSequence":10,"cancelledAt":"1970-01-01T00:00:00Z""#;

/// The start of a queue that fewer than nobody had joined.
const START: &str =
    r#"{"productId":"a","joined":-1,"epoch":1,"sequence":1,"startedAt":"1970-01-01T00:00:00Z"}"#;

/// A change of a queue to a mode that there is not.
const CHANGE: &str = r#"{"productId":"a","changeId":"83629942-38f4-8a9e-9a8b-aa822ea19741","paused":true,"mode":"draw","epoch":1,"sequence":1,"changedAt":"1970-01-01T00:00:00Z"}"#;

/// Header, key, value, and the beginning of the reason.
type Kind = (
    Option<&'static [u8]>,
    Option<&'static [u8]>,
    Option<Vec<u8>>,
    &'static str,
);

fn json_of(record: &Record) -> String {
    let Content::Event(event @ Event::OrderReserved(_)) = &record.content else {
        panic!("an order");
    };
    String::from_utf8(event.encode()).unwrap()
}

fn kinds() -> Vec<Kind> {
    let good = json_of(&order(0, "a", "stranger", 2, 9));
    let bytes = || Some(good.clone().into_bytes());
    let with = |from: &str, to: &str| {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from}");
        Some(changed.into_bytes())
    };
    let (ours, a): (Option<&[u8]>, Option<&[u8]>) = (Some(TYPE), Some(b"a"));
    let value = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        (None, a, bytes(), "missing_type"),
        (Some(b"\xff\xfe"), a, bytes(), "missing_type"),
        (Some(b""), a, bytes(), "unknown_type"),
        (Some(b"com.example.other"), a, bytes(), "unknown_type"),
        (
            Some(b"fluxgate.order.reserved.v2"),
            a,
            bytes(),
            "unknown_type",
        ),
        (ours, a, None, "missing_value"),
        (ours, a, value(""), "malformed"),
        (ours, a, value("garbage"), "malformed"),
        (ours, a, Some(vec![0xff; 64]), "malformed"),
        (ours, a, Some(vec![b'x'; 900_000]), "malformed"),
        (ours, a, value(&good[..40]), "malformed"),
        (ours, a, value("null"), "malformed"),
        (ours, a, value("[]"), "malformed"),
        (ours, a, value("\"order\""), "malformed"),
        (ours, a, value("{}"), "malformed"),
        (ours, a, with("\"userId\":\"stranger\",", ""), "malformed"),
        (
            ours,
            a,
            with("\"quantity\":2", "\"quantity\":\"2\""),
            "malformed",
        ),
        (
            ours,
            a,
            with("\"quantity\":2", "\"quantity\":1.5"),
            "malformed",
        ),
        (
            ours,
            a,
            with("\"quantity\":2", "\"quantity\":-2"),
            "malformed",
        ),
        (
            ours,
            a,
            with("\"quantity\":2", "\"quantity\":0"),
            "malformed",
        ),
        (
            ours,
            a,
            with("\"quantity\":2", "\"quantity\":1001"),
            "malformed",
        ),
        (ours, a, with("stranger", "s\\u0000"), "malformed"),
        (ours, a, with("stranger", &"s".repeat(10_000)), "malformed"),
        (
            ours,
            a,
            with("\"productId\":\"a\"", "\"productId\":\"{a}\""),
            "malformed",
        ),
        (ours, a, with("\"epoch\":1", "\"epoch\":-1"), "malformed"),
        (
            ours,
            a,
            with("\"sequence\":9", "\"sequence\":4294967296"),
            "malformed",
        ),
        (
            ours,
            a,
            with("\"placedAt\":\"1970", "\"placedAt\":\"19-70"),
            "malformed",
        ),
        (
            ours,
            a,
            with("\"orderId\":\"", "\"orderId\":\"x"),
            "malformed",
        ),
        (
            Some(OrderCompleted::TYPE.as_bytes()),
            a,
            bytes(),
            "malformed",
        ),
        (
            Some(OrderCancelled::TYPE.as_bytes()),
            a,
            with("{", &format!("{{{CANCELLED},\"cause\":\"theft\",")),
            "malformed",
        ),
        (
            Some(QueueStarted::TYPE.as_bytes()),
            a,
            value(START),
            "malformed",
        ),
        (
            Some(QueueChanged::TYPE.as_bytes()),
            a,
            value(CHANGE),
            "malformed",
        ),
        (ours, None, bytes(), "foreign_key"),
        (ours, Some(b"b"), bytes(), "foreign_key"),
        (ours, Some(b"\xff"), bytes(), "foreign_key"),
    ]
}

#[tokio::test]
async fn each_kind_of_stranger_becomes_a_dead_letter_and_the_orders_around_it_are_written() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &[opening(0, "a", 1_000)]).await;
    let kinds = kinds();
    for (n, (ce_type, key, value, _)) in (1u32..).zip(&kinds) {
        line.send(0, &[order(0, "a", &format!("u{n}"), 1, n)]).await;
        line.send_raw(*ce_type, *key, value.as_deref()).await;
    }
    // Unusual, but ours: a duplicate, a field of a later version, an order of an unknown sale.
    let twice = order(0, "a", "u1", 1, 1);
    line.send(0, std::slice::from_ref(&twice)).await;
    let newer = json_of(&order(0, "a", "newer", 1, 900));
    let newer = newer.replace("{\"orderId\"", "{\"channel\":\"app\",\"orderId\"");
    line.send_raw(Some(TYPE), Some(b"a"), Some(newer.as_bytes()))
        .await;
    line.send(0, &[order(0, "nowhere", "u", 1, 1)]).await;

    let wanted = i64::try_from(kinds.len()).unwrap();
    line.until_count("orders", wanted + 2).await;
    let confirmed = "SELECT count(*)::text FROM orders WHERE status = 'confirmed'";
    assert_eq!(
        line.schema.rows(confirmed).await,
        [(wanted + 1).to_string()]
    );
    let rejected = "SELECT reason FROM orders WHERE status = 'rejected'";
    assert_eq!(line.schema.rows(rejected).await, ["unknown_sale"]);

    let reasons = r#"SELECT reason FROM dead_letters ORDER BY "offset""#;
    let reasons = line.schema.rows(reasons).await;
    assert_eq!(reasons.len(), kinds.len());
    for (reason, (_, _, _, expected)) in reasons.iter().zip(&kinds) {
        assert!(reason.starts_with(expected), "{expected}: {reason}");
    }
    until("the duplicate is counted", async || {
        worker.metric("orders_total{outcome=\"duplicate\"}").await == 1.0
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn orders_on_another_partition_than_their_sale_are_dead_letters_and_too_many_halt_it() {
    let line = Line::new().await;
    let limit = ["--dead-letters-max-per-batch=3"];
    let worker = line.worker(&limit).await;
    let orders = |numbers: std::ops::Range<u32>| -> Vec<Record> {
        numbers
            .map(|n| order(0, "a", &format!("u{n}"), 1, n))
            .collect()
    };
    line.send(0, &[opening(0, "a", 1_000)]).await;
    line.send(0, &orders(1..11)).await;
    line.until_count("orders", 10).await;
    line.send(1, &orders(11..13)).await;
    line.until_count("dead_letters WHERE partition = 1", 2)
        .await;
    let reason = "foreign_partition: its sale is on another partition";
    let reasons = line.schema.rows("SELECT reason FROM dead_letters").await;
    assert_eq!(reasons, [reason; 2]);

    worker.stop().await;
    // While no worker reads, so that all are in one batch.
    line.send(1, &orders(13..20)).await;
    let worker = line.start_worker(&limit);
    until("the partition is halted", async || {
        worker.metric("partitions_halted").await == 1.0
    })
    .await;
    let report = worker.get("/readyz").await.1;
    assert!(
        report.contains("partition 1 is halted: too_many_dead_letters: 7 in one batch"),
        "{report}"
    );
    line.send(0, &orders(11..20)).await;
    line.until_count("orders", 19).await;
    assert_eq!(line.count("dead_letters").await, 2);
    worker.stop().await;
}
