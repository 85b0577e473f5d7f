use fred::types::Value;
use jiff::Timestamp;

use super::{Ask, Number, Record, StockError};

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

/// A reply of `reserve.lua`: what all answers of a call have in common, and the answers.
pub(super) struct Reply {
    epoch: Option<u32>,
    now: Option<Timestamp>,
    answers: Vec<Value>,
}

impl Reply {
    /// Reads a reply that is to hold `orders` answers.
    pub fn read(reply: Value, orders: usize) -> Result<Self, StockError> {
        let (epoch, now_ms, answers): (Option<u32>, Option<i64>, Vec<Value>) = reply.convert()?;
        if answers.len() != orders {
            return Err(StockError::unexpected("an answer per order", answers));
        }
        let now = now_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Self {
            epoch,
            now,
            answers,
        })
    }

    /// What became of each of `asks`, in their order.
    pub fn reservations(
        self,
        asks: Vec<Ask>,
    ) -> impl Iterator<Item = Result<Reservation, StockError>> {
        let (epoch, now) = (self.epoch, self.now);
        let pairs = self.answers.into_iter().zip(asks);
        pairs.map(move |(answer, ask)| match answer {
            Value::Integer(sequence) => taken(epoch, sequence, now, ask)
                .ok_or_else(|| StockError::unexpected("the number of a reservation", sequence)),
            answer => Reservation::not_taken(answer),
        })
    }
}

fn taken(
    epoch: Option<u32>,
    sequence: i64,
    now: Option<Timestamp>,
    ask: Ask,
) -> Option<Reservation> {
    Some(Reservation::Reserved(Record {
        number: Number {
            epoch: epoch?,
            sequence: sequence.try_into().ok()?,
        },
        cancel: None,
        rejected: false,
        placed_at: now?,
        quantity: ask.quantity,
        user: ask.user,
    }))
}

impl Reservation {
    fn not_taken(answer: Value) -> Result<Self, StockError> {
        let Value::Array(reply) = answer else {
            return Err(StockError::unexpected("an answer of reserve.lua", answer));
        };
        let text = |i: usize| reply.get(i).and_then(|value| value.as_str());
        let record = || text(1).map(|text| text.parse::<Record>()).transpose();
        let verdict = text(0).unwrap_or_default();
        match &*verdict {
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
