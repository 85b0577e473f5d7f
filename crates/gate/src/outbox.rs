use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, ProductId, RestockId};
use fluxgate_domain::records::{ClosingRecord, OrderRecord, RestockRecord};
use fred::interfaces::{KeysInterface, SetsInterface, StreamsInterface};
use fred::types::scan::Scanner;
use fred::types::{Expiration, SetOptions, Value};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::{GateError, ReservationStore, SaleKeys, keys};

/// Entries per page, at most; `read_outbox.lua` refuses more.
pub const OUTBOX_PAGE_MAX: u32 = 500;
/// Entries that one call of [`ReservationStore::ack_all`] may remove.
pub const ACK_BATCH_MAX: usize = 512;
/// Members of the index per page.
const INDEX_PAGE: u32 = 500;

/// One page of a sale's outbox, oldest first.
#[derive(Debug)]
pub struct OutboxPage {
    /// The highest number of the sale when the page was read.
    pub highest: SequenceNumber,
    /// Entries in the whole outbox.
    pub waiting: u64,
    /// The sale's state, as Redis spells it.
    pub state: String,
    /// Units for sale in all.
    pub total: i64,
    /// Units that are not reserved.
    pub remaining: i64,
    /// The oldest entry, on this page or not.
    pub oldest: Option<OutboxEntry>,
    /// The entries of the page.
    pub entries: Vec<OutboxEntry>,
}

/// One outbox entry.
#[derive(Debug)]
pub struct OutboxEntry {
    /// The entry id.
    pub number: SequenceNumber,
    /// Whether it is the entry of an order, even if Redis has lost the record.
    pub is_order: bool,
    /// The order it refers to, even if Redis has lost the record.
    pub order_id: Option<OrderId>,
    /// The content.
    pub content: EntryContent,
}

/// The content of an outbox entry.
#[derive(Debug)]
pub enum EntryContent {
    /// The sale was claimed and is to be opened.
    Opening,
    /// Units were reserved for this order.
    Order(OrderId, OrderRecord),
    /// This order was cancelled.
    Cancel(OrderId, OrderRecord),
    /// Units were added to the sale.
    Restock(RestockId, RestockRecord),
    /// The sale was closed by an admin.
    Closing(ClosingRecord),
    /// The record that the entry refers to is missing or damaged: Redis has lost data.
    Unreadable,
}

impl OutboxEntry {
    /// When it was requested, by Redis's clock, if the entry tells.
    pub fn since(&self) -> Option<Timestamp> {
        match &self.content {
            EntryContent::Order(_, record) => Some(record.placed_at),
            EntryContent::Cancel(_, record) => record.cancel.map(|cancel| cancel.at),
            EntryContent::Restock(_, restock) => Some(restock.at),
            EntryContent::Closing(closing) => Some(closing.at),
            EntryContent::Opening | EntryContent::Unreadable => None,
        }
    }
}

impl ReservationStore {
    /// Reads at most `limit` entries after `after` (`None`: from the oldest) up to `until`.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn read_outbox(
        &self,
        keys: &SaleKeys,
        after: Option<SequenceNumber>,
        until: SequenceNumber,
        limit: u32,
    ) -> Result<OutboxPage, GateError> {
        let after = after.map_or_else(|| "-".into(), |number| format!("({number}"));
        let arguments = vec![
            after.into(),
            until.to_string().into(),
            i64::from(limit).into(),
        ];
        let keys = vec![keys.sale.clone(), keys.orders.clone(), keys.outbox.clone()];
        type Reply = (u32, u32, u64, String, i64, i64, Vec<Value>, Vec<Value>);
        let (epoch, sequence, waiting, state, total, remaining, oldest, entries): Reply = self
            .run("read_outbox", &self.scripts.read_outbox, keys, arguments)
            .await?;
        Ok(OutboxPage {
            highest: SequenceNumber { epoch, sequence },
            waiting,
            state,
            total,
            remaining,
            oldest: oldest
                .into_iter()
                .next()
                .map(OutboxEntry::from_reply)
                .transpose()?,
            entries: entries
                .into_iter()
                .map(OutboxEntry::from_reply)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Removes acknowledged entries of events that take room, at most [`ACK_BATCH_MAX`]: they have no effect to apply.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entries may have been removed.
    pub async fn ack_all(&self, keys: &SaleKeys, entries: Vec<String>) -> Result<u64, GateError> {
        let client = self.client();
        self.timed("ack_all", client.xdel(keys.outbox.clone(), entries))
            .await
    }

    /// Removes one acknowledged entry; if its event makes room, applies the effect.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entry may have been removed.
    pub async fn ack(
        &self,
        keys: &SaleKeys,
        entry: SequenceNumber,
        makes_room: bool,
    ) -> Result<(), GateError> {
        if makes_room {
            self.ack_and_apply(keys, entry).await?;
        } else {
            self.ack_all(keys, vec![entry.to_string()]).await?;
        }
        Ok(())
    }

    /// Removes the acknowledged entry of an event that makes room, and applies its effect. True for the one call that
    /// removed it.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entry may have been removed and its effect applied.
    pub async fn ack_and_apply(
        &self,
        keys: &SaleKeys,
        entry: SequenceNumber,
    ) -> Result<bool, GateError> {
        let arguments = vec![entry.to_string().into()];
        let cleared: i64 = self
            .run(
                "ack_outbox",
                &self.scripts.ack_outbox,
                keys.all(),
                arguments,
            )
            .await?;
        Ok(cleared == 1)
    }

    /// Sets the expiry of a closed sale's keys to `keep` after its closing; true once that is done.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn retire(&self, keys: &SaleKeys, keep: Duration) -> Result<bool, GateError> {
        let arguments = vec![keep.as_millis().to_string().into()];
        let retired: i64 = self
            .run("retire", &self.scripts.retire, keys.all(), arguments)
            .await?;
        Ok(retired == 1)
    }

    /// Every sale that may have outbox entries, read in pages: a sale that is in the index all the while is returned.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn indexed(&self) -> Result<Vec<ProductId>, GateError> {
        let read = async {
            let mut members = BTreeSet::new();
            let client = self.client();
            let pages = client.sscan(keys::SALES, "*", Some(INDEX_PAGE));
            let mut pages = std::pin::pin!(pages);
            while let Some(mut page) = pages.try_next().await? {
                let found = page.take_results().unwrap_or_default();
                members.extend(found.into_iter().filter_map(Value::into_string));
                page.next();
            }
            Ok(members)
        };
        let products = self.timed("index", read).await?;
        // A member that is no product id is not ours; it must not keep the relay from the others.
        let ids = products.iter().filter_map(|id| ProductId::parse(id).ok());
        Ok(ids.collect())
    }

    /// Takes a retired sale out of the index.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn unindex(&self, product: &ProductId) -> Result<(), GateError> {
        self.timed("index", self.client().srem(keys::SALES, product.as_str()))
            .await
    }

    /// Whether `instance` holds the relay lease for the time `lease`. Two instances that both believe so only do the same
    /// work twice.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn take_relay_lease(
        &self,
        instance: &str,
        lease: Duration,
    ) -> Result<bool, GateError> {
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let client = self.client();
        let holder: Option<String> = self.timed("lease", client.get(keys::OUTBOX_RELAY)).await?;
        if let Some(holder) = holder {
            if holder != instance {
                return Ok(false);
            }
            let renewal = client.pexpire(keys::OUTBOX_RELAY, lease_ms, None);
            return self.timed("lease", renewal).await;
        }
        let lease = client.set(
            keys::OUTBOX_RELAY,
            instance,
            Some(Expiration::PX(lease_ms)),
            Some(SetOptions::NX),
            false,
        );
        match self.timed::<Option<String>>("lease", lease).await {
            Ok(won) => Ok(won.is_some()),
            // No memory for a lease. The relay is what frees memory, so every instance runs it.
            Err(error) if error.is_out_of_memory() => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl OutboxEntry {
    pub(crate) fn from_reply(reply: Value) -> Result<Self, GateError> {
        let text = |i: usize| match &reply {
            Value::Array(parts) => parts.get(i).and_then(|part| part.as_str()),
            _ => None,
        };
        let number: Option<SequenceNumber> = text(0).and_then(|id| id.parse().ok());
        let (Some(number), Some(kind), Some(subject), Some(record)) =
            (number, text(1), text(2), text(3))
        else {
            return Err(GateError::unexpected("an outbox entry", reply));
        };
        let content = EntryContent::read(number, &kind, &subject, &record);
        Ok(Self {
            number,
            is_order: kind == "order",
            order_id: match &*kind {
                "order" | "cancel" => subject.parse().ok(),
                _ => None,
            },
            content: content.unwrap_or(EntryContent::Unreadable),
        })
    }
}

impl EntryContent {
    fn read(number: SequenceNumber, kind: &str, subject: &str, record: &str) -> Option<Self> {
        match kind {
            "opens" => Some(Self::Opening),
            "order" => Some(Self::Order(subject.parse().ok()?, record.parse().ok()?)),
            "cancel" => Some(Self::Cancel(subject.parse().ok()?, record.parse().ok()?)),
            "restock" => Some(Self::Restock(subject.parse().ok()?, record.parse().ok()?)),
            "closes" => {
                let at = Timestamp::from_millisecond(subject.parse().ok()?).ok()?;
                Some(Self::Closing(ClosingRecord { number, at }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_whose_record_is_lost_still_names_its_order() {
        let id = "01a1fb67-1800-897f-98f2-381895f55db8";
        let entry = |kind: &str, subject: &str| {
            let parts = ["1-5", kind, subject, ""].map(Value::from);
            OutboxEntry::from_reply(Value::Array(parts.into())).unwrap()
        };
        for kind in ["order", "cancel"] {
            let lost = entry(kind, id);
            assert!(matches!(lost.content, EntryContent::Unreadable));
            assert_eq!(lost.order_id.map(|id| id.to_string()).as_deref(), Some(id));
        }
        assert_eq!(entry("restock", id).order_id, None);
    }
}
