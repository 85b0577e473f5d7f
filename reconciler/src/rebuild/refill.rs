//! The Redis data of a rebuilt sale without its orders, computed from its rows in PostgreSQL. Pure.

use fluxgate_domain::HoldTerms;
use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::records::{QueueChangeRecord, QueueStartRecord};
use fluxgate_gate::{Pair, hold_field, limits_field, queue_field};
use fluxgate_ledger::{ChangeRow, LedgerRow, WrittenSale};
use jiff::Timestamp;

use super::RebuildError;

/// The hashes of a sale without its orders, field by field; see `lua/README.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Refill {
    /// Restocks, the amendment that the terms are of, and changes of the queue.
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
        let of_queue = queue_changes(written);
        changes.extend(of_queue.map(|(id, record)| (format!("queue:{id}"), record.to_string())));
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

/// The changes of the queue, with their ids.
fn queue_changes(written: &WrittenSale) -> impl Iterator<Item = (&str, QueueChangeRecord)> {
    written.changes.iter().filter_map(|change| {
        let record = QueueChangeRecord {
            number: change.number,
            at: change.at,
            settings: change.queue_settings?,
        };
        Some((change.id.as_str(), record))
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
    let changes = queue_changes(written).map(|(_, record)| record);
    let last = changes.max_by_key(|record| record.number);
    facts.extend(last.map(|record| ("queue_changed", record.to_string())));
    if let Some(closing) = closing {
        let at = closing.at.as_millisecond();
        facts.push(("closed", format!("{} {at}", closing.number)));
    }
    let pair = |(field, value): (&str, String)| (field.to_owned(), value);
    facts.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests;
