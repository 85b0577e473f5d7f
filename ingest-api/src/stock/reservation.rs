use fred::types::Value;

use super::{Record, StockError};

/// What `reserve.lua` answers. Every one is an outcome, none an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Units were taken; the order waits in the outbox.
    Reserved(Record),
    /// The order exists already.
    Known {
        /// What it asked for.
        record: Record,
        /// Whether it still waits in the outbox.
        waiting: bool,
    },
    /// This Redis has no such sale.
    Unknown,
    /// The sale opened at another time than the caller believes.
    Moved,
    /// This Redis stands below the caller's witness: it lost acknowledged writes.
    Lost,
    /// The sale opens in so many milliseconds; 0: as soon as its opening is on Kafka.
    NotOpen {
        /// Milliseconds until then, by Redis's clock.
        opens_in_ms: u64,
    },
    /// The sale is over.
    Closed,
    /// The user would hold more units than the sale allows one user.
    UserLimit,
    /// Nothing is left.
    SoldOut,
    /// Something is left, but less than was asked for.
    Insufficient,
    /// The outbox is at its bound: Kafka has been away for long.
    OutboxFull,
}

impl Reservation {
    pub(super) fn from_reply(reply: Value) -> Result<Self, StockError> {
        let Value::Array(reply) = reply else {
            return Err(StockError::unexpected("an answer of reserve.lua", reply));
        };
        let text = |i: usize| reply.get(i).and_then(|value| value.as_str());
        let record = || text(1).map(|text| text.parse::<Record>()).transpose();
        let verdict = text(0).unwrap_or_default();
        match &*verdict {
            "reserved" => {
                if let Some(record) = record()? {
                    return Ok(Self::Reserved(record));
                }
            }
            "known" => {
                if let (Some(record), Some(waiting)) =
                    (record()?, reply.get(2).and_then(Value::as_u64))
                {
                    let waiting = waiting > 0;
                    return Ok(Self::Known { record, waiting });
                }
            }
            "not_open" => {
                if let Some(opens_in_ms) = reply.get(1).and_then(Value::as_u64) {
                    return Ok(Self::NotOpen { opens_in_ms });
                }
            }
            "unknown" => return Ok(Self::Unknown),
            "moved" => return Ok(Self::Moved),
            "lost" => return Ok(Self::Lost),
            "closed" => return Ok(Self::Closed),
            "user_limit" => return Ok(Self::UserLimit),
            "sold_out" => return Ok(Self::SoldOut),
            "insufficient" => return Ok(Self::Insufficient),
            "outbox_full" => return Ok(Self::OutboxFull),
            _ => {}
        }
        Err(StockError::unexpected("a verdict of reserve.lua", reply))
    }
}
