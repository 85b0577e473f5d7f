use fluxgate_domain::ids::{HoldSeconds, OrdersPerSecond, ProductId, Total};
use fluxgate_domain::{SequenceNumber, Terms};

use super::*;

/// The fields of a sale that opened at 5 s and was amended twice, for which these terms are written.
fn fields(terms: Option<Terms>) -> Vec<Pair> {
    let refill = Refill::of(&written(terms), 4, 2).unwrap();
    [refill.changes, refill.sale].concat()
}

fn written(terms: Option<Terms>) -> WrittenSale {
    let at = |second| Timestamp::from_second(second).unwrap();
    let sale = LedgerRow {
        product: ProductId::parse("p").unwrap(),
        total: 10,
        sold: 4,
        completed: 2,
        opens_at: at(5),
        id_time: at(3),
        closes_at: None,
        ends_at: None,
        per_user_limit: None,
        highest: SequenceNumber::new(2, 0),
        fenced_epoch: 2,
        written: 0,
        partition: 0,
        terms,
        queue_joined: None,
    };
    let amendments = [2, 1].map(|sequence| ChangeRow {
        id: format!("amend:1-{sequence}"),
        kind: ChangeKind::Amend,
        units: 0,
        number: SequenceNumber::new(1, sequence),
        at: at(4),
        queue_settings: None,
    });
    WrittenSale {
        changes: terms.map_or(Vec::new(), |_| amendments.into()),
        sale: Some(sale),
        ..WrittenSale::default()
    }
}

fn value<'a>(fields: &'a [Pair], name: &str) -> Option<&'a str> {
    let field = fields.iter().find(|(field, _)| field == name);
    field.map(|(_, value)| value.as_str())
}

#[test]
fn a_rebuilt_sale_has_its_terms_again() {
    let terms = Terms {
        opens_at: Some(Timestamp::from_second(4).unwrap()),
        orders_per_second: OrdersPerSecond::try_from(50).ok(),
        ..Terms::of(Total::try_from(10).unwrap())
    };
    let restored = fields(Some(terms));
    assert_eq!(value(&restored, "terms"), Some(terms.to_json().as_str()));
    assert_eq!(value(&restored, "asked_opens_at"), Some("4000"));
    assert_eq!(value(&restored, "opens_at"), Some("5000"));
    assert_eq!(value(&restored, "id_time"), Some("3000"));
    assert_eq!(value(&restored, "limits"), Some("50 0 0 0 0"));
    assert_eq!(value(&restored, "amended"), Some("1-2"));
    let record = format!("1-2 4000 5000 {}", terms.to_json());
    assert_eq!(value(&restored, "amend:1-2"), Some(record.as_str()));
    assert_eq!(value(&restored, "amend:1-1"), None);
    assert_eq!(value(&restored, "hold"), None);
    assert_eq!(value(&restored, "completed"), None);
    assert_eq!(value(&restored, "queue"), None);
}

#[test]
fn a_rebuilt_sale_has_its_queue_again() {
    let json = format!(
        r#"{{"quantity":10,"queue":{{"joinFrom":"1970-01-01T00:00:02Z","admitPerSecond":50,"secret":"0123456789abcdef","seedSha256":"{}"}}}}"#,
        "5a".repeat(32)
    );
    let restored = fields(Terms::read(&json));
    assert_eq!(value(&restored, "terms"), Some(json.as_str()));
    assert_eq!(
        value(&restored, "queue"),
        Some("2000 0 50 300 3 0123456789abcdef")
    );
}

#[test]
fn a_queue_that_has_started_stays_started_with_the_largest_count() {
    let start = |sequence| ChangeRow {
        id: format!("queue_start:1-{sequence}"),
        kind: ChangeKind::QueueStart,
        units: 0,
        number: SequenceNumber::new(1, sequence),
        at: Timestamp::from_second(sequence.into()).unwrap(),
        queue_settings: None,
    };
    let started = |starts: &[u32], joined| {
        let mut written = written(None);
        written.changes = starts.iter().copied().map(start).collect();
        written.sale.as_mut().unwrap().queue_joined = joined;
        let refill = Refill::of(&written, 4, 2).unwrap();
        value(&refill.sale, "queue_started").map(str::to_owned)
    };
    assert_eq!(started(&[], None), None);
    let expected = Some("1-7 7000 900".to_owned());
    assert_eq!(started(&[3, 7, 5], Some(900)), expected);
}

#[test]
fn a_rebuilt_sale_has_its_holds_again_and_expires_nothing_for_one_grace() {
    let terms = Terms {
        hold_seconds: HoldSeconds::try_from(60).ok(),
        ..Terms::of(Total::try_from(10).unwrap())
    };
    let restored = fields(Some(terms));
    assert_eq!(value(&restored, "hold"), Some("60000 30000 2 0"));
    assert_eq!(value(&restored, "limits"), Some("0 0 0 0 0"));
    assert_eq!(value(&restored, "completed"), Some("2"));
    assert_eq!(value(&restored, "remaining"), Some("6"));
    assert_eq!(value(&restored, "expiry"), None);
    let refill = Refill::of(&written(Some(terms)), 4, 2).unwrap();
    assert_eq!(refill.holds, terms.holds());
}

#[test]
fn a_ledger_whose_sums_are_not_those_of_its_orders_restores_nothing() {
    let refused = |sold, completed| match Refill::of(&written(None), sold, completed) {
        Err(RebuildError::Inconsistent { which, .. }) => which,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(3, 2), "sold");
    assert_eq!(refused(4, 3), "completed");
}

#[test]
fn a_sale_of_an_earlier_version_has_no_terms_to_restore() {
    let restored = fields(None);
    assert_eq!(value(&restored, "asked_opens_at"), Some(""));
    assert_eq!(value(&restored, "terms"), None);
    assert_eq!(value(&restored, "limits"), None);
    assert_eq!(value(&restored, "amended"), None);
}

#[test]
fn of_the_changes_of_a_queue_all_are_known_and_the_highest_number_counts() {
    let change = |sequence: u32, settings: &str| ChangeRow {
        id: format!("id-{sequence}"),
        kind: ChangeKind::QueueChange,
        units: 0,
        number: SequenceNumber::new(1, sequence),
        at: Timestamp::from_second(sequence.into()).unwrap(),
        queue_settings: settings.parse().ok(),
    };
    let (older, last) = (change(3, "- 1 queue"), change(9, "50 0 pass"));
    for changes in [[older.clone(), last.clone()], [last, older]] {
        let mut written = written(None);
        written.changes = changes.into();
        let refill = Refill::of(&written, 4, 2).unwrap();
        let last = "1-9 9000 50 0 pass";
        assert_eq!(value(&refill.sale, "queue_changed"), Some(last));
        assert_eq!(value(&refill.changes, "queue:id-9"), Some(last));
        let older = value(&refill.changes, "queue:id-3");
        assert_eq!(older, Some("1-3 3000 - 1 queue"));
        assert_eq!(value(&refill.sale, "opened_total"), Some("10"));
    }
    assert_eq!(value(&fields(None), "queue_changed"), None);
}
