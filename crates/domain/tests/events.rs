//! Events as other programs see them on the topic.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use fluxgate_domain::events::{
    CancelCause, Event, OrderCancelled, OrderCompleted, OrderReserved, QueueChanged, QueueStarted,
    SaleAmended, SaleClosed, SaleFenced, SaleOpened, SaleRestocked, Undecodable, headers,
};
use fluxgate_domain::ids::ProductId;

const ORDER: &str = r#"{"orderId":"01a1fb67-1800-897f-98f2-381895f55db8","productId":"iphone-15","userId":"user-1","quantity":2,"epoch":1,"sequence":42,"placedAt":"2026-11-21T09:30:00.123Z"}"#;
const SALE: &str = r#"{"productId":"iphone-15","total":100,"opensAt":"2026-11-21T09:30:00Z","closesAt":null,"perUserLimit":2,"epoch":1,"partition":7}"#;
const SALE_ON_TERMS: &str = r#"{"productId":"iphone-15","total":100,"opensAt":"2026-11-21T09:30:00Z","closesAt":null,"perUserLimit":2,"epoch":1,"partition":7,"terms":{"quantity":100,"perUserLimit":2,"ordersPerSecond":50,"ordersPerUser":"3/60"}}"#;
const CANCEL: &str = r#"{"orderId":"01a1fb67-1800-897f-98f2-381895f55db8","productId":"iphone-15","userId":"user-1","quantity":2,"epoch":1,"sequence":42,"placedAt":"2026-11-21T09:30:00.123Z","cancelEpoch":1,"cancelSequence":57,"cancelledAt":"2026-11-21T09:31:00Z"}"#;
const EXPIRY: &str = r#"{"orderId":"01a1fb67-1800-897f-98f2-381895f55db8","productId":"iphone-15","userId":"user-1","quantity":2,"epoch":1,"sequence":42,"placedAt":"2026-11-21T09:30:00.123Z","cancelEpoch":1,"cancelSequence":57,"cancelledAt":"2026-11-21T09:31:00Z","cause":"expired"}"#;
const COMPLETION: &str = r#"{"orderId":"01a1fb67-1800-897f-98f2-381895f55db8","productId":"iphone-15","userId":"user-1","quantity":2,"epoch":1,"sequence":42,"placedAt":"2026-11-21T09:30:00.123Z","completionEpoch":1,"completionSequence":57,"completedAt":"2026-11-21T09:31:00Z"}"#;
const RESTOCK: &str = r#"{"productId":"iphone-15","restockId":"cc23b2f7-5a66-8615-8bf1-fd3e7528df78","quantity":50,"epoch":1,"sequence":58,"restockedAt":"2026-11-21T09:32:00Z"}"#;
const CLOSE: &str =
    r#"{"productId":"iphone-15","epoch":1,"sequence":59,"closedAt":"2026-11-21T09:33:00Z"}"#;
const AMENDMENT: &str = r#"{"productId":"iphone-15","opensAt":"2026-11-22T09:30:00Z","terms":{"quantity":100,"opensAt":"2026-11-22T09:30:00Z"},"epoch":1,"sequence":1,"amendedAt":"2026-11-21T09:29:00Z"}"#;
const SALE_AFTER_AMENDMENT: &str = r#"{"productId":"iphone-15","total":100,"opensAt":"2026-11-22T09:30:00Z","closesAt":null,"perUserLimit":null,"epoch":1,"partition":7,"idTime":"2026-11-21T09:30:00Z","terms":{"quantity":100,"opensAt":"2026-11-22T09:30:00Z"}}"#;
const QUEUE_START: &str = r#"{"productId":"iphone-15","joined":104233,"epoch":1,"sequence":1,"startedAt":"2026-11-21T09:30:00.25Z"}"#;
const QUEUE_CHANGE: &str = r#"{"productId":"iphone-15","changeId":"83629942-38f4-8a9e-9a8b-aa822ea19741","admitPerSecond":200,"paused":false,"mode":"queue","epoch":1,"sequence":60,"changedAt":"2026-11-21T09:33:30Z"}"#;
const PAUSE: &str = r#"{"productId":"iphone-15","changeId":"83629942-38f4-8a9e-9a8b-aa822ea19741","paused":true,"mode":"queue","epoch":1,"sequence":60,"changedAt":"2026-11-21T09:33:30Z"}"#;
const FENCE: &str = r#"{"productId":"iphone-15","epoch":2,"fencedAt":"2026-11-21T09:34:00Z"}"#;
const KEY: Option<&[u8]> = Some(b"iphone-15");

fn decode(ce_type: &str, value: &str) -> Result<Event, Undecodable> {
    Event::decode(Some(ce_type.as_bytes()), KEY, Some(value.as_bytes()))
}

#[test]
fn events_have_frozen_json() {
    for (ce_type, json) in [
        (OrderReserved::TYPE, ORDER),
        (SaleOpened::TYPE, SALE),
        (SaleOpened::TYPE, SALE_ON_TERMS),
        (OrderCancelled::TYPE, CANCEL),
        (OrderCancelled::TYPE, EXPIRY),
        (OrderCompleted::TYPE, COMPLETION),
        (SaleRestocked::TYPE, RESTOCK),
        (SaleOpened::TYPE, SALE_AFTER_AMENDMENT),
        (SaleAmended::TYPE, AMENDMENT),
        (QueueStarted::TYPE, QUEUE_START),
        (QueueChanged::TYPE, QUEUE_CHANGE),
        (QueueChanged::TYPE, PAUSE),
        (SaleClosed::TYPE, CLOSE),
        (SaleFenced::TYPE, FENCE),
    ] {
        let event = decode(ce_type, json).unwrap();
        assert_eq!(String::from_utf8(event.encode()).unwrap(), json);
        assert_eq!(event.product_id(), &ProductId::parse("iphone-15").unwrap());
    }
}

#[test]
fn headers_are_the_cloudevents_attributes() {
    let order = decode(OrderReserved::TYPE, ORDER).unwrap();
    let text: Vec<String> = headers(&order)
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(
        text,
        [
            "ce_specversion=1.0",
            "ce_id=01a1fb67-1800-897f-98f2-381895f55db8",
            "ce_source=/fluxgate/ingest-api",
            "ce_type=fluxgate.order.reserved.v1",
            "ce_time=2026-11-21T09:30:00.123Z",
            "content-type=application/json",
        ]
    );
}

#[test]
fn every_event_has_an_id_of_its_own() {
    let id_of = |ce_type, json| {
        let event = decode(ce_type, json).unwrap();
        headers(&event)[1].1.clone().into_owned()
    };
    assert_eq!(
        [
            id_of(OrderCancelled::TYPE, CANCEL),
            id_of(OrderCancelled::TYPE, EXPIRY),
            id_of(OrderCompleted::TYPE, COMPLETION),
            id_of(SaleRestocked::TYPE, RESTOCK),
            id_of(SaleClosed::TYPE, CLOSE),
            id_of(SaleAmended::TYPE, AMENDMENT),
            id_of(QueueStarted::TYPE, QUEUE_START),
            id_of(QueueChanged::TYPE, QUEUE_CHANGE),
            id_of(SaleFenced::TYPE, FENCE),
            id_of(SaleOpened::TYPE, SALE),
        ],
        [
            "01a1fb67-1800-897f-98f2-381895f55db8:cancelled",
            "01a1fb67-1800-897f-98f2-381895f55db8:expired",
            "01a1fb67-1800-897f-98f2-381895f55db8:completed",
            "cc23b2f7-5a66-8615-8bf1-fd3e7528df78",
            "iphone-15:closed",
            "iphone-15:amended:1-1",
            "iphone-15:queue-started:1-1",
            "83629942-38f4-8a9e-9a8b-aa822ea19741",
            "iphone-15:fenced:2",
            "iphone-15:1",
        ]
    );
}

#[test]
fn a_cancel_that_names_no_cause_is_an_admin_call() {
    let cause = |json: &str| match decode(OrderCancelled::TYPE, json) {
        Ok(Event::OrderCancelled(cancel)) => Some(cancel.cause),
        _ => None,
    };
    assert_eq!(cause(CANCEL), Some(CancelCause::Shop));
    assert_eq!(cause(EXPIRY), Some(CancelCause::Expired));
    let by_buyer = EXPIRY.replace("expired", "buyer");
    assert_eq!(cause(&by_buyer), Some(CancelCause::Buyer));
    let unknown = EXPIRY.replace("expired", "theft");
    assert_eq!(cause(&unknown), None);
}

#[test]
fn unknown_fields_are_ignored() {
    let newer = ORDER.replace("{\"orderId\"", "{\"channel\":\"app\",\"orderId\"");
    assert_eq!(
        decode(OrderReserved::TYPE, &newer),
        decode(OrderReserved::TYPE, ORDER)
    );
}

#[test]
fn whatever_is_no_event_says_why() {
    let reason = |result: Result<Event, Undecodable>| result.unwrap_err().to_string();
    let value = Some(ORDER.as_bytes());
    let order_type = Some(OrderReserved::TYPE.as_bytes());

    assert_eq!(
        Event::decode(None, KEY, value),
        Err(Undecodable::MissingType)
    );
    assert_eq!(
        Event::decode(Some(b"\xff"), KEY, value),
        Err(Undecodable::MissingType)
    );
    assert_eq!(
        Event::decode(order_type, KEY, None),
        Err(Undecodable::MissingValue)
    );
    assert_eq!(
        Event::decode(order_type, Some(b"other"), value),
        Err(Undecodable::ForeignKey)
    );
    assert_eq!(
        Event::decode(order_type, None, value),
        Err(Undecodable::ForeignKey)
    );
    assert!(reason(decode("fluxgate.order.reserved.v2", ORDER)).starts_with("unknown_type: "));
    for broken in [
        "",
        "garbage",
        "{}",
        "[]",
        &ORDER[..40],
        &ORDER.replace("\"quantity\":2", "\"quantity\":-2"),
        &ORDER.replace("\"quantity\":2", "\"quantity\":\"2\""),
        &ORDER.replace("\"sequence\":42", "\"sequence\":18446744073709551615"),
        &ORDER.replace("user-1", "user\\u0000"),
        &ORDER.replace("-897f-", "-497f-"),
        &ORDER.replace("09:30:00.123Z", "99:99"),
    ] {
        assert!(
            reason(decode(OrderReserved::TYPE, broken)).starts_with("malformed: "),
            "{broken}"
        );
    }
}
