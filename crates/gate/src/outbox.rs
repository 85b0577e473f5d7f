use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{OrderId, ProductId, QueueChangeId, RestockId};
use fluxgate_domain::records::{
    AmendmentRecord, ClosingRecord, OrderRecord, QueueChangeRecord, QueueStartRecord, RestockRecord,
};
use fred::types::Value;
use jiff::Timestamp;

use crate::{GateError, ORDERS_PER_CALL_MAX, ReservationStore, SaleKeys};

/// Events after which a page ends, at most; `read_outbox.lua` refuses more. A page has whole entries, so that it may have
/// [`ORDERS_PER_CALL_MAX`] - 1 more.
pub const OUTBOX_PAGE_MAX: u32 = 500;

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
    /// When the sale opens and closes; another instance may have amended it. `None` without a sale, or without an end.
    pub opens_at: Option<Timestamp>,
    /// See `opens_at`.
    pub closes_at: Option<Timestamp>,
    /// The oldest event, on this page or not.
    pub oldest: Option<OutboxEvent>,
    /// The events of the page.
    pub events: Vec<OutboxEvent>,
    /// Whether a key of the sale is missing.
    pub is_lost: bool,
}

/// An entry of a sale's outbox: of one event, or shared by the orders of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The number of the first event; the others have the numbers that follow.
    pub id: SequenceNumber,
    /// The number of its events.
    pub events: u8,
}

/// An event that waits in an outbox.
#[derive(Debug)]
pub struct OutboxEvent {
    /// Its number.
    pub number: SequenceNumber,
    /// Its entry.
    pub entry: OutboxEntry,
    /// Whether it is an order, even if Redis has lost the record.
    pub is_order: bool,
    /// The order it refers to, even if Redis has lost the record.
    pub order_id: Option<OrderId>,
    /// The content.
    pub content: EventContent,
}

/// What an event in an outbox says.
#[derive(Debug)]
pub enum EventContent {
    /// The sale was claimed and is to be opened.
    Opening,
    /// Units were reserved for this order.
    Order(OrderId, OrderRecord),
    /// This order was cancelled.
    Cancel(OrderId, OrderRecord),
    /// This order was paid.
    Completion(OrderId, OrderRecord),
    /// This order was not paid in time.
    Expiry(OrderId, OrderRecord),
    /// Units were added to the sale.
    Restock(RestockId, RestockRecord),
    /// The sale got other terms.
    Amendment(AmendmentRecord),
    /// The queue of the sale has started.
    QueueStart(QueueStartRecord),
    /// The queue of the sale was changed.
    QueueChange(QueueChangeId, QueueChangeRecord),
    /// The sale was closed by an admin.
    Closing(ClosingRecord),
    /// The record that the event refers to is missing or damaged: Redis has lost data.
    Unreadable,
}

impl OutboxEntry {
    /// The entry of one event.
    pub const fn of_one(number: SequenceNumber) -> Self {
        Self {
            id: number,
            events: 1,
        }
    }

    /// Whether orders share it.
    pub const fn is_shared(self) -> bool {
        self.events > 1
    }

    /// Reads the entry of the order `number`; `None` if the order cannot be in it.
    fn shared(id: &str, events: &Value, number: SequenceNumber) -> Option<Self> {
        let id: SequenceNumber = id.parse().ok()?;
        let events = u8::try_from(events.as_u64()?).ok()?;
        let place = number.sequence.checked_sub(id.sequence)?;
        let is_in = id.epoch == number.epoch && place < u32::from(events);
        (is_in && usize::from(events) <= ORDERS_PER_CALL_MAX).then_some(Self { id, events })
    }
}

impl OutboxEvent {
    /// When it was requested, by Redis's clock, if the event tells.
    pub fn since(&self) -> Option<Timestamp> {
        match &self.content {
            EventContent::Order(_, record) => Some(record.placed_at),
            EventContent::Cancel(_, record) => record.cancel.map(|cancel| cancel.at),
            EventContent::Completion(_, record) => record.completion.map(|mark| mark.at),
            EventContent::Expiry(_, record) => record.expiry.map(|mark| mark.at),
            EventContent::Restock(_, restock) => Some(restock.at),
            EventContent::Amendment(amendment) => Some(amendment.at),
            EventContent::QueueStart(start) => Some(start.at),
            EventContent::QueueChange(_, change) => Some(change.at),
            EventContent::Closing(closing) => Some(closing.at),
            EventContent::Opening | EventContent::Unreadable => None,
        }
    }

    /// What to publish. `None` for an opening, because the outbox does not have the sale's facts, and if Redis has lost the
    /// record.
    pub fn event(&self, product: &ProductId) -> Option<Event> {
        match &self.content {
            EventContent::Order(id, record) => {
                Some(Event::OrderReserved(record.event(*id, product)))
            }
            EventContent::Cancel(id, record) => record
                .cancelled_event(*id, product)
                .map(Event::OrderCancelled),
            EventContent::Completion(id, record) => record
                .completed_event(*id, product)
                .map(Event::OrderCompleted),
            EventContent::Expiry(id, record) => record
                .expired_event(*id, product)
                .map(Event::OrderCancelled),
            EventContent::Restock(id, restock) => {
                Some(Event::SaleRestocked(restock.event(*id, product)))
            }
            EventContent::Amendment(amendment) => {
                Some(Event::SaleAmended(amendment.event(product).into()))
            }
            EventContent::QueueStart(start) => Some(Event::QueueStarted(start.event(product))),
            EventContent::QueueChange(id, change) => {
                Some(Event::QueueChanged(change.event(*id, product)))
            }
            EventContent::Closing(closing) => Some(Event::SaleClosed(closing.event(product))),
            EventContent::Opening | EventContent::Unreadable => None,
        }
    }
}

impl ReservationStore {
    /// Reads whole entries after the event `after` (`None`: from the oldest) up to the entry `until`, until there are `limit`
    /// events. Orders of a shared entry that are acknowledged already are left out.
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
        type Reply = (
            (u32, u32, u64, String, i64, i64),
            (String, String),
            (Vec<Value>, Vec<Value>, u8),
        );
        let script = &self.scripts.read_outbox;
        let reply: Reply = self
            .run("read_outbox", script, keys.all(), arguments)
            .await?;
        let ((epoch, sequence, waiting, state, total, remaining), (opens_at, closes_at), page) =
            reply;
        let (oldest, events, lost) = page;
        let time = |ms: &str| Timestamp::from_millisecond(ms.parse().ok()?).ok();
        Ok(OutboxPage {
            is_lost: lost != 0,
            highest: SequenceNumber { epoch, sequence },
            waiting,
            state,
            total,
            remaining,
            opens_at: time(&opens_at),
            closes_at: time(&closes_at),
            oldest: oldest
                .into_iter()
                .next()
                .map(OutboxEvent::from_reply)
                .transpose()?,
            events: events
                .into_iter()
                .map(OutboxEvent::from_reply)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl OutboxEvent {
    fn from_reply(reply: Value) -> Result<Self, GateError> {
        let part = |i: usize| match &reply {
            Value::Array(parts) => parts.get(i),
            _ => None,
        };
        let text = |i: usize| part(i).and_then(Value::as_str);
        let number: Option<SequenceNumber> = text(0).and_then(|id| id.parse().ok());
        let entry = number.and_then(|number| match (text(4), part(5)) {
            (Some(id), Some(events)) => OutboxEntry::shared(&id, events, number),
            _ => Some(OutboxEntry::of_one(number)),
        });
        let (Some(number), Some(entry), Some(kind), Some(subject), Some(record)) =
            (number, entry, text(1), text(2), text(3))
        else {
            return Err(GateError::unexpected("an event of the outbox", reply));
        };
        let content = EventContent::read(number, &kind, &subject, &record);
        Ok(Self {
            number,
            entry,
            is_order: kind == "order",
            order_id: match &*kind {
                "order" | "cancel" | "complete" | "expire" => subject.parse().ok(),
                _ => None,
            },
            content: content.unwrap_or(EventContent::Unreadable),
        })
    }
}

impl EventContent {
    fn read(number: SequenceNumber, kind: &str, subject: &str, record: &str) -> Option<Self> {
        match kind {
            "opens" => Some(Self::Opening),
            "order" => Some(Self::Order(subject.parse().ok()?, record.parse().ok()?)),
            "cancel" => Some(Self::Cancel(subject.parse().ok()?, record.parse().ok()?)),
            "complete" => Some(Self::Completion(
                subject.parse().ok()?,
                record.parse().ok()?,
            )),
            "expire" => Some(Self::Expiry(subject.parse().ok()?, record.parse().ok()?)),
            "restock" => Some(Self::Restock(subject.parse().ok()?, record.parse().ok()?)),
            "amend" => Some(Self::Amendment(record.parse().ok()?)),
            "queue" => Some(Self::QueueChange(
                subject.parse().ok()?,
                record.parse().ok()?,
            )),
            "starts" => Some(Self::QueueStart(
                format!("{number} {subject}").parse().ok()?,
            )),
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
    fn an_event_whose_record_is_lost_still_names_its_order() {
        let id = "01a1fb67-1800-897f-98f2-381895f55db8";
        let event = |kind: &str, subject: &str| {
            let parts = ["1-5", kind, subject, ""].map(Value::from);
            OutboxEvent::from_reply(Value::Array(parts.into())).unwrap()
        };
        for kind in ["order", "cancel", "complete", "expire"] {
            let lost = event(kind, id);
            assert!(matches!(lost.content, EventContent::Unreadable));
            assert_eq!(lost.order_id.map(|id| id.to_string()).as_deref(), Some(id));
        }
        assert_eq!(event("restock", id).order_id, None);
    }
}
