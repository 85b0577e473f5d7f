use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, RestockId};
use fluxgate_domain::records::{ClosingRecord, OrderRecord, RestockRecord};
use fred::clients::Client;
use fred::interfaces::StreamsInterface;
use fred::types::Value;
use jiff::Timestamp;

use crate::{GateError, ReservationStore, SaleKeys};

/// Entries per page, at most; `read_outbox.lua` refuses more.
pub const OUTBOX_PAGE_MAX: u32 = 500;
/// Entries that one call of [`ReservationStore::ack_all`] may remove.
pub const ACK_BATCH_MAX: usize = 512;

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
    /// Whether a key of the sale is missing.
    pub is_lost: bool,
}

/// What became of an acknowledged entry that makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// This call removed it and applied its effect.
    Applied,
    /// There is no such entry: another call applied it, or a rebuild removed it.
    Gone,
    /// Its effect cannot be applied, because a key or a record of the sale is missing. The entry stays.
    Lost,
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
        type Reply = (u32, u32, u64, String, i64, i64, Vec<Value>, Vec<Value>, u8);
        let script = &self.scripts.read_outbox;
        let reply: Reply = self
            .run("read_outbox", script, keys.all(), arguments)
            .await?;
        let (epoch, sequence, waiting, state, total, remaining, oldest, entries, lost) = reply;
        Ok(OutboxPage {
            is_lost: lost != 0,
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
        let remove = |client: Client| {
            let (outbox, entries) = (keys.outbox.clone(), entries.clone());
            async move { client.xdel(outbox, entries).await }
        };
        self.at("ack_all", &keys.outbox, remove).await
    }

    /// Removes one acknowledged entry; if its event makes room, applies the effect. An entry whose effect cannot be applied
    /// stays.
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

    /// Removes the acknowledged entry of an event that makes room, and applies its effect, once.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entry may have been removed and its effect applied.
    pub async fn ack_and_apply(
        &self,
        keys: &SaleKeys,
        entry: SequenceNumber,
    ) -> Result<Acked, GateError> {
        let arguments = vec![entry.to_string().into()];
        let cleared: i64 = self
            .run(
                "ack_outbox",
                &self.scripts.ack_outbox,
                keys.all(),
                arguments,
            )
            .await?;
        match cleared {
            1 => Ok(Acked::Applied),
            0 => Ok(Acked::Gone),
            -1 => Ok(Acked::Lost),
            _ => Err(GateError::unexpected("a reply of ack_outbox.lua", cleared)),
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
