//! What Redis holds of orders that have to be paid.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_domain::records::OrderRecord;
use fred::prelude::*;
use fred::types::streams::XReadValue;

use super::redis::{Redis, sale_key, sale_keys};
use crate::checker::RedisHolds;

impl Redis {
    /// The holds of a sale at rest; none in a sale without holds.
    pub(super) async fn holds(
        &self,
        product: &ProductId,
        opens_at_ms: i64,
    ) -> Result<Option<RedisHolds>> {
        let fields = vec!["hold", "completed"];
        let facts: Vec<Option<String>> = self.0.hmget(sale_key(product), fields).await?;
        let [Some(_), completed] = &facts[..] else {
            return Ok(None);
        };
        let completed = completed.as_deref().map_or(Ok(0), str::parse)?;
        let [_, orders, outbox, _] = sale_keys(product, opens_at_ms);
        let waiting: Vec<XReadValue<String, String, String>> =
            self.0.xrange_values(outbox, "-", "+", None).await?;
        let waiting = waiting.iter().map(|(number, _)| number.parse());
        let waiting: HashSet<SequenceNumber> = waiting.collect::<Result<_, _>>()?;
        let members: i64 = self.command(&["ZCARD", &holds_key(product)]).await?;
        let mut found = RedisHolds {
            // One member, the empty one, is no order: it keeps the set alive.
            holds: members - 1,
            completed,
            ..RedisHolds::default()
        };
        let records: HashMap<String, String> = self.0.hgetall(orders).await?;
        for record in records.iter().filter(|it| is_order(it.0)) {
            let text = record.1;
            let record = text.parse().with_context(|| format!("a record: {text}"))?;
            found.count(&record, &waiting);
        }
        Ok(Some(found))
    }
}

impl RedisHolds {
    /// Adds the units of an order. `waiting` are the entries in the outbox.
    fn count(&mut self, order: &OrderRecord, waiting: &HashSet<SequenceNumber>) {
        let cancel = order.cancel.map(|it| it.number);
        let returned = order.expiry.map(|it| it.number).or(cancel);
        if order.rejected || returned.is_some_and(|number| !waiting.contains(&number)) {
            return;
        }
        let units = i64::from(order.quantity.get());
        match order.completion {
            Some(_) => self.completed_by_records += units,
            None => self.held_by_records += units,
        }
    }
}

/// Whether a field of the orders hash is an order, and not a restock, an amendment or the placeholder.
fn is_order(field: &str) -> bool {
    !field.is_empty() && !field.contains(':')
}

fn holds_key(product: &ProductId) -> String {
    format!("fg:{{{}}}:holds:{product}", Tag::of(product))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_held_or_completed_until_their_entry_has_left_the_outbox() {
        const RECORDS: &str = "
            1-1 1700000000000 1 held
            1-2/rejected 1700000000000 2 rejected
            1-3/completed:1-9:1700000000001 1700000000000 4 paid
            1-4/expired:1-10:1700000000001 1700000000000 8 expired, which waits
            1-5/expired:1-11:1700000000001 1700000000000 16 expired
            1-6/1-12/1700000000001 1700000000000 32 cancelled, which waits
            1-7/completed:1-9:1700000000001/1-13/1700000000002 1700000000000 64 refunded, which waits
            1-8/completed:1-9:1700000000001/1-14/1700000000002 1700000000000 128 refunded";
        let waiting = [10, 12, 13].map(|sequence| SequenceNumber::new(1, sequence));
        let waiting = HashSet::from(waiting);
        let mut found = RedisHolds::default();
        for line in RECORDS.lines().map(str::trim).filter(|it| !it.is_empty()) {
            found.count(&line.parse().unwrap(), &waiting);
        }
        let units = (found.held_by_records, found.completed_by_records);
        assert_eq!(units, (1 + 8 + 32, 4 + 64));
    }
}
