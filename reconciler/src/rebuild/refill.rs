//! The Redis data of a rebuilt sale without its orders, computed from its rows in PostgreSQL. Pure.

use fluxgate_domain::HoldTerms;
use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::records::QueueStartRecord;
use fluxgate_gate::{Pair, hold_field, limits_field, queue_field};
use fluxgate_ledger::{ChangeRow, LedgerRow, WrittenSale};
use jiff::Timestamp;

use super::RebuildError;

/// The hashes of a sale without its orders, field by field; see `lua/README.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Refill {
    /// Restocks, and the amendment that the terms are of.
    pub changes: Vec<Pair>,
    pub sale: Vec<Pair>,
    pub has_user_limit: bool,
    pub holds: Option<HoldTerms>,
    /// The new epoch.
    pub epoch: u32,
    /// Units it has to sell.
    pub remaining: i64,
}

impl Refill {
    /// The data to write, once the log is fenced. `orders_sold` is the sum of the orders that hold units, `orders_completed`
    /// that of the completed ones.
    ///
    /// # Errors
    /// When the rows do not determine the units remaining.
    pub fn of(
        written: &WrittenSale,
        orders_sold: i64,
        orders_completed: i64,
    ) -> Result<Self, RebuildError> {
        let sale = written.sale.as_ref().ok_or(RebuildError::NoSale)?;
        let epoch = sale.fenced_epoch;
        expect_equal("sold", sale.sold, orders_sold)?;
        expect_equal("completed", sale.completed, orders_completed)?;
        let remaining = sale.total - sale.sold;
        let changes = written.changes.iter();
        let restocks = changes.filter(|it| it.kind == ChangeKind::Restock);
        let mut changes: Vec<Pair> = restocks.map(restock_pair).collect();
        changes.extend(amendment(written).and_then(|it| amendment_pair(it, sale)));
        Ok(Self {
            changes,
            sale: facts(written, sale, epoch, remaining),
            has_user_limit: sale.per_user_limit.is_some(),
            holds: sale.terms.and_then(|terms| terms.holds()),
            epoch,
            remaining,
        })
    }
}

fn expect_equal(which: &'static str, counted: i64, summed: i64) -> Result<(), RebuildError> {
    if counted == summed {
        return Ok(());
    }
    Err(RebuildError::Inconsistent {
        which,
        counted,
        summed,
    })
}

fn restock_pair(change: &ChangeRow) -> Pair {
    let (number, at, units) = (change.number, change.at.as_millisecond(), change.units);
    let record = format!("{number} {at} {units}");
    (format!("restock:{}", change.id), record)
}

/// The amendment that the terms are of.
fn amendment(written: &WrittenSale) -> Option<&ChangeRow> {
    let changes = written.changes.iter();
    let amendments = changes.filter(|it| it.kind == ChangeKind::Amend);
    amendments.max_by_key(|it| it.number)
}

fn amendment_pair(change: &ChangeRow, sale: &LedgerRow) -> Option<Pair> {
    let (number, at) = (change.number, change.at.as_millisecond());
    let (opens_at, terms) = (sale.opens_at.as_millisecond(), sale.terms?.to_json());
    let record = format!("{number} {at} {opens_at} {terms}");
    Some((format!("amend:{number}"), record))
}

/// The record of the start of the queue: the one with the highest number, and the largest count of those who had joined.
fn queue_start(written: &WrittenSale, sale: &LedgerRow) -> Option<QueueStartRecord> {
    let changes = written.changes.iter();
    let starts = changes.filter(|it| it.kind == ChangeKind::QueueStart);
    let last = starts.max_by_key(|it| it.number)?;
    Some(QueueStartRecord {
        number: last.number,
        at: last.at,
        joined: u64::try_from(sale.queue_joined?).ok()?,
    })
}

fn facts(written: &WrittenSale, sale: &LedgerRow, epoch: u32, remaining: i64) -> Vec<Pair> {
    let restocked: i64 = written.changes.iter().map(|change| change.units).sum();
    let closing = written
        .changes
        .iter()
        .find(|it| it.kind == ChangeKind::Close);
    let milliseconds =
        |at: Option<Timestamp>| at.map_or(String::new(), |at| at.as_millisecond().to_string());
    let state = if closing.is_some() { "closed" } else { "open" };
    let mut facts = vec![
        ("state", state.to_owned()),
        ("epoch", epoch.to_string()),
        ("seq", "0".to_owned()),
        ("opened_total", (sale.total - restocked).to_string()),
        ("planned_total", sale.total.to_string()),
        ("total", sale.total.to_string()),
        ("remaining", remaining.to_string()),
        ("opens_at", milliseconds(Some(sale.opens_at))),
        ("id_time", milliseconds(Some(sale.id_time))),
        // Of a sale that version 0.2 or earlier has opened, it is not kept whether a time was requested.
        (
            "asked_opens_at",
            milliseconds(sale.terms.and_then(|terms| terms.opens_at)),
        ),
        ("closes_at", milliseconds(sale.closes_at)),
        (
            "user_limit",
            sale.per_user_limit.map_or(String::new(), |n| n.to_string()),
        ),
        ("partition", sale.partition.to_string()),
    ];
    if let Some(terms) = sale.terms {
        facts.push(("terms", terms.to_json()));
        facts.extend(limits_field(&terms).map(|limits| ("limits", limits)));
        facts.extend(queue_field(&terms).map(|queue| ("queue", queue)));
        // Without the field `expiry`, nothing expires for one grace: payments may have been waiting.
        if let Some(hold) = hold_field(&terms) {
            facts.push(("hold", hold));
            facts.push(("completed", sale.completed.to_string()));
        }
    }
    facts.extend(amendment(written).map(|it| ("amended", it.number.to_string())));
    facts.extend(queue_start(written, sale).map(|start| ("queue_started", start.to_string())));
    if let Some(closing) = closing {
        let at = closing.at.as_millisecond();
        facts.push(("closed", format!("{} {at}", closing.number)));
    }
    let pair = |(field, value): (&str, String)| (field.to_owned(), value);
    facts.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
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
}
