//! Amending a sale: other terms, as long as nobody has ordered or joined its queue.

use fluxgate_domain::records::AmendmentRecord;
use fluxgate_domain::{SequenceNumber, Terms};
use fred::types::Value;
use jiff::Timestamp;

use crate::changes::{high_water_mark_arguments, text};
use crate::opening::or_empty;
use crate::{GateError, ReservationStore, SaleKeys, hold_field, limits_field, queue_field};

/// What `amend_sale.lua` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// The sale has the new terms, by this call or an earlier one.
    Amended {
        /// Its record.
        record: Box<AmendmentRecord>,
        /// Whether its event waits in the outbox.
        waiting: bool,
    },
    /// Somebody has ordered or joined the queue, the queue has started, or somebody may have ordered before Redis lost data.
    Ordered,
    /// The event of an earlier change waits in the outbox.
    Waiting,
    /// Another call has amended the sale.
    Overtaken,
    /// This Redis does not have the sale.
    Unknown,
    /// The sale's opening is not on Kafka yet.
    NotOpen,
    /// The sale is closed.
    Closed,
    /// Redis is behind the high-water mark: it has lost acknowledged writes. Or the sale is being rebuilt.
    Behind,
    /// A key of the sale is missing: Redis has evicted it, or somebody has deleted it.
    Lost,
}

impl ReservationStore {
    /// Gives a sale the terms `to`, if it has the terms `from` and nobody has ordered or joined its queue. They
    /// count at once. Both need the same keys: those of a sale stay.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may have been amended.
    pub async fn amend(
        &self,
        keys: &SaleKeys,
        high_water_mark: SequenceNumber,
        from: &Terms,
        to: &Terms,
    ) -> Result<Amendment, GateError> {
        let mut arguments: Vec<Value> = high_water_mark_arguments(high_water_mark).into();
        arguments.extend([
            from.to_json().into(),
            to.to_json().into(),
            or_empty(to.opens_at.map(Timestamp::as_millisecond)),
            or_empty(to.closes_at.map(Timestamp::as_millisecond)),
            or_empty(to.per_user_limit.map(i64::from)),
            limits_field(to).unwrap_or_default().into(),
            hold_field(to).unwrap_or_default().into(),
            queue_field(to).unwrap_or_default().into(),
        ]);
        let script = &self.scripts.amend_sale;
        let reply: Vec<Value> = self.run("amend", script, keys.all(), arguments).await?;
        let verdict = text(&reply, 0).unwrap_or_default();
        let read = match &*verdict {
            "amended" => text(&reply, 1)
                .and_then(|record| record.parse().ok().map(Box::new))
                .zip(reply.get(2).and_then(Value::as_u64))
                .map(|(record, waiting)| Amendment::Amended {
                    record,
                    waiting: waiting > 0,
                }),
            "ordered" => Some(Amendment::Ordered),
            "waiting" => Some(Amendment::Waiting),
            "overtaken" => Some(Amendment::Overtaken),
            "unknown" => Some(Amendment::Unknown),
            "not_open" => Some(Amendment::NotOpen),
            "closed" => Some(Amendment::Closed),
            "behind" => Some(Amendment::Behind),
            "lost" => Some(Amendment::Lost),
            _ => None,
        };
        read.ok_or_else(|| GateError::unexpected("a reply of amend_sale.lua", reply))
    }
}
