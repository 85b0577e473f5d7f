use fluxgate_domain::SequenceNumber;
use fluxgate_domain::records::OrderRecord;
use fred::types::Value;
use jiff::Timestamp;

use crate::reservation::Answers;
use crate::{Answer, GateError, OutboxEntry, Quotas, Reservation, ReservationRequest};

/// A reply of `reserve.lua`.
pub enum Reply {
    /// Units were taken for every order: so many, the number of the first one, and the time of the call.
    AllTaken {
        orders: usize,
        first: SequenceNumber,
        now: Timestamp,
    },
    /// The epoch and time of the call, one answer per order, and what is left of the limits of the rate: for each order, or
    /// nothing.
    Each {
        epoch: Option<u32>,
        now: Option<Timestamp>,
        answers: Vec<Value>,
        quotas: Vec<Quotas>,
    },
}

impl Reply {
    /// Reads a reply of `orders` answers.
    pub fn read(reply: Value, orders: usize) -> Result<Self, GateError> {
        if let Some(text) = reply.as_str() {
            return Self::all_taken(&text, orders)
                .ok_or_else(|| GateError::unexpected("a number and a time", text));
        }
        let (reply, quotas) = match reply {
            Value::Array(mut parts) if parts.len() == 4 => {
                let left = parts.remove(3);
                (Value::Array(parts), Quotas::read(&left, orders)?)
            }
            other => (other, Vec::new()),
        };
        let (epoch, now_ms, answers): (Option<u32>, Option<i64>, Vec<Value>) = reply.convert()?;
        if answers.len() != orders {
            return Err(GateError::unexpected("an answer per order", answers));
        }
        let now = now_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Self::Each {
            epoch,
            now,
            answers,
            quotas,
        })
    }

    fn all_taken(text: &str, orders: usize) -> Option<Self> {
        let (first, now_ms) = text.split_once(' ')?;
        let now = Timestamp::from_millisecond(now_ms.parse().ok()?).ok()?;
        let first = first.parse().ok()?;
        Some(Self::AllTaken { orders, first, now })
    }

    /// The outbox entry that the orders share for which units were taken: they have consecutive numbers.
    fn shared_entry(&self) -> Option<OutboxEntry> {
        let (id, events) = match self {
            Self::AllTaken { orders, first, .. } => (*first, *orders),
            Self::Each { epoch, answers, .. } => {
                let taken = answers.iter().filter_map(taken_as);
                let first = SequenceNumber::new((*epoch)?, taken.clone().min()?);
                (first, taken.count())
            }
        };
        let events = u8::try_from(events).ok()?;
        Some(OutboxEntry { id, events })
    }

    /// The reservation of each request, in order.
    pub fn reservations(self, requests: Vec<ReservationRequest>, shares_entries: bool) -> Answers {
        let shared = self.shared_entry().filter(|_| shares_entries);
        let reserved = |number, now, request: ReservationRequest| Reservation::Reserved {
            record: OrderRecord::taken(number, now, request.quantity, request.user),
            entry: shared.unwrap_or(OutboxEntry::of_one(number)),
        };
        match self {
            Self::AllTaken { first, now, .. } => {
                let numbers =
                    (first.sequence..).map(|sequence| SequenceNumber { sequence, ..first });
                let pairs = numbers.zip(requests);
                let reserved = |(number, request)| Answer {
                    reservation: reserved(number, now, request),
                    quotas: None,
                };
                pairs.map(|pair| Ok(reserved(pair))).collect()
            }
            Self::Each {
                epoch,
                now,
                answers,
                quotas,
            } => {
                let pairs = answers.into_iter().zip(requests);
                let read = |(answer, request)| match answer {
                    Value::Integer(_) => {
                        let number = epoch.zip(taken_as(&answer)).zip(now);
                        number
                            .map(|((epoch, sequence), now)| {
                                reserved(SequenceNumber { epoch, sequence }, now, request)
                            })
                            .ok_or_else(|| {
                                GateError::unexpected("the number of a reservation", answer)
                            })
                    }
                    answer => Reservation::not_taken(answer),
                };
                let mut quotas = quotas.into_iter();
                let answer = |pair| {
                    let quotas = quotas.next().map(Box::new);
                    read(pair).map(|reservation| Answer {
                        reservation,
                        quotas,
                    })
                };
                pairs.map(answer).collect()
            }
        }
    }
}

/// The sequence number of an order for which units were taken.
fn taken_as(answer: &Value) -> Option<u32> {
    match answer {
        Value::Integer(sequence) => u32::try_from(*sequence).ok(),
        _ => None,
    }
}
