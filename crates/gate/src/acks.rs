//! Acknowledging events of outboxes, after Kafka has acknowledged them.

use fluxgate_domain::SequenceNumber;
use fred::types::Value;

use crate::reserve_sales::error;
use crate::{GateError, OutboxEntry, ReservationStore, SaleKeys};

/// Acknowledgements of one call of [`ReservationStore::ack_all`], of all its sales; `ack_orders.lua` refuses more.
pub const ACKS_PER_CALL_MAX: usize = 512;

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

/// What Kafka has acknowledged of one sale; the events take room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// All events of an entry.
    Entry(OutboxEntry),
    /// One event, whatever entry it is in.
    Event(SequenceNumber),
}

/// Acknowledgements of one sale, in a call that sales share.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct SaleAcks<'a> {
    pub keys: &'a SaleKeys,
    pub acks: &'a [Ack],
}

impl SaleAcks<'_> {
    /// The arguments of `ack_orders.lua`.
    fn push_arguments(&self, to: &mut Vec<Value>) {
        let list = |is_in: fn(&Ack) -> Option<SequenceNumber>| self.acks.iter().filter_map(is_in);
        let single = list(|ack| match ack {
            Ack::Entry(entry) if !entry.is_shared() => Some(entry.id),
            _ => None,
        });
        let shared = list(|ack| match ack {
            Ack::Entry(entry) if entry.is_shared() => Some(entry.id),
            _ => None,
        });
        let events = list(|ack| match ack {
            Ack::Event(number) => Some(*number),
            Ack::Entry(_) => None,
        });
        for list in [&single, &shared, &events] {
            let length = i64::try_from(list.clone().count());
            to.push(length.expect("acknowledgements are few").into());
        }
        let all = single.chain(shared).chain(events);
        to.extend(all.map(|number| number.to_string().into()));
    }
}

impl ReservationStore {
    /// Acknowledges at most [`ACKS_PER_CALL_MAX`] entries and events that take room, of several sales in one call; in a
    /// Cluster, the sales must have the same tag. Answers for each sale how many entries were removed.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the entries may have been removed.
    pub async fn ack_all(
        &self,
        sales: &[SaleAcks<'_>],
    ) -> Result<Vec<Result<u64, GateError>>, GateError> {
        let keys = sales
            .iter()
            .map(|it| [it.keys.sale.clone(), it.keys.outbox.clone()]);
        let keys = keys.flatten().collect();
        let mut arguments = Vec::new();
        sales
            .iter()
            .for_each(|it| it.push_arguments(&mut arguments));
        let script = &self.scripts.ack_orders;
        let replies: Vec<Value> = self.run("ack_all", script, keys, arguments).await?;
        if replies.len() != sales.len() {
            return Err(GateError::unexpected("a reply per sale", replies));
        }
        let replies = replies.into_iter().map(|reply| match error(&reply) {
            Some(error) => Err(self.failed(error)),
            None => Ok(reply.convert()?),
        });
        Ok(replies.collect())
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
