//! Acknowledging events of outboxes, after Kafka has acknowledged them.

use std::fmt;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fred::types::Value;
use futures_util::future::{join, join_all};

use crate::reserve_sales::error;
use crate::{EventName, GateError, OutboxEntry, ReservationStore, SaleKeys};

/// Acknowledgements of one call of [`ReservationStore::ack_all`], of all its sales; `ack_orders.lua` refuses more.
pub const ACKS_PER_CALL_MAX: usize = 512;

/// Entries of one call of [`ReservationStore::ack_and_apply_all`]; `ack_outbox.lua` refuses more.
pub const EFFECTS_PER_CALL_MAX: usize = 128;

/// What became of an acknowledged entry that makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// This call removed it and applied its effect.
    Applied,
    /// There is no such entry: another call applied it, or a rebuild removed it.
    Gone,
    /// Its effect cannot be applied, because Redis has lost a key or a record of the sale, or the event itself, whose number
    /// another one has. The entry stays.
    Lost,
}

/// What Kafka has acknowledged of one sale; the events make no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// All events of an entry.
    Entry(OutboxEntry),
    /// One event, whatever entry it is in.
    Event(AckedEvent),
}

/// An event that Kafka has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckedEvent {
    /// Its number.
    pub number: SequenceNumber,
    /// If this is known, another event that has the number stays in the outbox.
    pub name: Option<EventName>,
}

/// Acknowledgements of one sale, in a call that sales share.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct SaleAcks<'a> {
    pub keys: &'a SaleKeys,
    pub acks: &'a [Ack],
}

impl AckedEvent {
    /// This event, which has this number.
    pub fn new(number: SequenceNumber, event: &Event) -> Self {
        Self {
            number,
            name: Some(EventName::from(event)),
        }
    }
}

impl From<SequenceNumber> for AckedEvent {
    fn from(number: SequenceNumber) -> Self {
        Self { number, name: None }
    }
}

/// As the scripts read it.
impl fmt::Display for AckedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{} {name}", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

impl Ack {
    fn events(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.events.into(),
            Self::Event(_) => 1,
        }
    }
}

/// The arguments of `ack_orders.lua` for one sale.
fn push_arguments(acks: &[Ack], to: &mut Vec<Value>) {
    let list = |is_in: fn(&Ack) -> Option<AckedEvent>| acks.iter().filter_map(is_in);
    let single = list(|ack| match ack {
        Ack::Entry(entry) if !entry.is_shared() => Some(entry.id.into()),
        _ => None,
    });
    let shared = list(|ack| match ack {
        Ack::Entry(entry) if entry.is_shared() => Some(entry.id.into()),
        _ => None,
    });
    let events = list(|ack| match ack {
        Ack::Event(event) => Some(*event),
        Ack::Entry(_) => None,
    });
    for list in [&single, &shared, &events] {
        let length = i64::try_from(list.clone().count());
        to.push(length.expect("acknowledgements are few").into());
    }
    let all = single.chain(shared).chain(events);
    to.extend(all.map(|acked| acked.to_string().into()));
}

impl ReservationStore {
    /// Acknowledges at most [`ACKS_PER_CALL_MAX`] entries and events that make no room, of several sales in one call, and with
    /// calls of their own, sent together, those of sales with holds; in a Cluster, the sales must have the same tag. Answers for
    /// each sale how many entries were removed.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entries may have been removed.
    pub async fn ack_all(
        &self,
        sales: &[SaleAcks<'_>],
    ) -> Result<Vec<Result<u64, GateError>>, GateError> {
        let (with_holds, others): (Vec<_>, Vec<_>) = sales
            .iter()
            .enumerate()
            .partition(|(_, it)| it.keys.holds.is_some());
        let mut removed: Vec<_> = sales.iter().map(|_| Ok(0)).collect();
        let held = with_holds.iter().map(|(_, it)| self.ack_held_orders(it));
        let acked = self.ack_sales(others.iter().map(|(_, it)| *it));
        let (acked, held) = join(acked, join_all(held)).await;
        let sales = others.into_iter().chain(with_holds);
        for ((at, _), reply) in sales.zip(acked?.into_iter().chain(held)) {
            removed[at] = reply;
        }
        Ok(removed)
    }

    /// Acknowledges entries and events of sales without holds.
    async fn ack_sales<'a>(
        &self,
        sales: impl ExactSizeIterator<Item = &'a SaleAcks<'a>> + Clone,
    ) -> Result<Vec<Result<u64, GateError>>, GateError> {
        let keys = sales
            .clone()
            .flat_map(|it| [it.keys.sale.clone(), it.keys.outbox.clone()]);
        let keys = keys.collect();
        let (count, mut arguments) = (sales.len(), Vec::new());
        if count == 0 {
            return Ok(Vec::new());
        }
        sales.for_each(|it| push_arguments(it.acks, &mut arguments));
        let script = &self.scripts.ack_orders;
        let replies: Vec<Value> = self.run("ack_all", script, keys, arguments).await?;
        if replies.len() != count {
            return Err(GateError::unexpected("a reply per sale", replies));
        }
        let replies = replies.into_iter().map(|reply| match error(&reply) {
            Some(error) => Err(self.failed(error)),
            None => Ok(reply.convert()?),
        });
        Ok(replies.collect())
    }

    /// Acknowledges entries and events of a sale with holds, whose orders get their holds then: each call at most
    /// [`ACKS_PER_CALL_MAX`] orders.
    async fn ack_held_orders(&self, sale: &SaleAcks<'_>) -> Result<u64, GateError> {
        let (mut removed, mut rest) = (0, sale.acks);
        while !rest.is_empty() {
            let mut events = 0;
            let fitting = rest.iter().take_while(|ack| {
                events += ack.events();
                events <= ACKS_PER_CALL_MAX
            });
            let (call, later) = rest.split_at(fitting.count());
            let mut arguments = Vec::new();
            push_arguments(call, &mut arguments);
            let script = &self.scripts.ack_held_orders;
            let keys = sale.keys.of_orders();
            let reply: u64 = self.run("ack_held", script, keys, arguments).await?;
            (removed, rest) = (removed + reply, later);
        }
        Ok(removed)
    }

    /// Removes the acknowledged entry of an event that makes room, and applies its effect, once.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entry may have been removed and its effect applied.
    pub async fn ack_and_apply(
        &self,
        keys: &SaleKeys,
        event: AckedEvent,
    ) -> Result<Acked, GateError> {
        let acked = self.ack_and_apply_all(keys, &[event]).await?;
        Ok(acked[0])
    }

    /// As [`Self::ack_and_apply`], for at most [`EFFECTS_PER_CALL_MAX`] events of a sale. One answer per event.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entries may have been removed and their effects applied.
    pub async fn ack_and_apply_all(
        &self,
        keys: &SaleKeys,
        events: &[AckedEvent],
    ) -> Result<Vec<Acked>, GateError> {
        let arguments = events.iter().map(|event| event.to_string().into());
        let script = &self.scripts.ack_outbox;
        let replies: Vec<i64> = self
            .run("ack_outbox", script, keys.of_orders(), arguments.collect())
            .await?;
        let acked = replies.iter().map(|reply| match reply {
            1 => Some(Acked::Applied),
            0 => Some(Acked::Gone),
            -1 => Some(Acked::Lost),
            _ => None,
        });
        let acked: Option<Vec<_>> = acked.collect();
        acked
            .filter(|acked| acked.len() == events.len())
            .ok_or_else(|| GateError::unexpected("replies of ack_outbox.lua", replies))
    }
}
