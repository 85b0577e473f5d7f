use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, Quantity, UserId};
use fluxgate_domain::records::OrderRecord;
use fred::clients::Client;
use fred::types::{Key, Value};
use jiff::Timestamp;

use crate::distinct::Distinct;
use crate::reserve_reply::Reply;
use crate::{GateError, OutboxEntry, Quotas, ReservationStore, SaleKeys};

/// Orders that one call may reserve, of all its sales; `reserve.lua` refuses more. A full call keeps Redis busy for a third of
/// a millisecond if they are of one sale, for about a millisecond if each is of another.
pub const ORDERS_PER_CALL_MAX: usize = 64;

/// One order that requests units.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct ReservationRequest {
    pub order_id: OrderId,
    pub user: UserId,
    pub quantity: Quantity,
}

/// What the caller knows of the sale.
#[derive(Debug)]
pub struct ReservationContext<'a> {
    /// The keys of the sale.
    pub keys: &'a SaleKeys,
    /// The opening time, as the caller knows it; the time in the order ids is known with it.
    pub opened_at: Timestamp,
    /// Whether the sale has limits that only the larger script knows ([`SaleFacts::is_limited`](crate::SaleFacts::is_limited)).
    pub is_limited: bool,
    /// The highest number that this instance has seen.
    pub high_water_mark: SequenceNumber,
    /// Entries that the sale's outbox may hold.
    pub outbox_max: u32,
    /// Whether the orders of a call share one outbox entry. Instances of version 0.2.0 cannot read it.
    pub shares_entries: bool,
}

impl ReservationContext<'_> {
    /// How many arguments `reserve.lua` takes for these orders.
    pub(crate) fn arguments(&self, requests: &[ReservationRequest]) -> usize {
        6 + 2 * requests.len()
    }

    pub(crate) fn push_arguments(&self, requests: &[ReservationRequest], to: &mut Vec<Value>) {
        to.push(self.opened_at.as_millisecond().into());
        to.push(i64::from(self.high_water_mark.epoch).into());
        to.push(i64::from(self.high_water_mark.sequence).into());
        to.push(i64::from(self.outbox_max).into());
        to.push(i64::from(self.shares_entries).into());
        let requests = requests.iter();
        let units: i64 = requests.clone().map(|it| i64::from(it.quantity)).sum();
        to.push(units.into());
        to.extend(requests.clone().map(|it| it.order_id.to_string().into()));
        to.extend(requests.map(|it| format!("{} {}", it.quantity.get(), it.user).into()));
    }
}

/// What `reserve.lua` answers to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of the order.
    pub reservation: Reservation,
    /// What is left of the limits of the sale's rate, if it has some and Redis came to look at them.
    pub quotas: Option<Box<Quotas>>,
}

/// What became of an order: outcomes, not errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Units were reserved; the event waits in the outbox.
    Reserved {
        /// Its record.
        record: OrderRecord,
        /// The outbox entry of the event.
        entry: OutboxEntry,
    },
    /// The order exists already.
    Known {
        /// Its record.
        record: OrderRecord,
        /// Whether its event waits in the outbox.
        waiting: bool,
    },
    /// This Redis does not have the sale.
    Unknown,
    /// The sale has other terms than the caller assumed: it opens at another time, or has limits.
    Moved,
    /// Redis is behind the caller's high-water mark: it has lost acknowledged writes. Or the sale is being rebuilt.
    Behind,
    /// A key of the sale is missing: Redis has evicted it, or somebody has deleted it.
    Lost,
    /// The sale is not open yet.
    NotOpen {
        /// Milliseconds until it opens, by Redis's clock; 0: as soon as its opening is on Kafka.
        opens_in_ms: u64,
    },
    /// The sale takes no more orders.
    Closed,
    /// The user would hold more units than the limit.
    UserLimit,
    /// The user has as many unpaid orders as the sale allows.
    UnpaidLimit,
    /// No unit is left.
    SoldOut,
    /// Fewer units are left than requested.
    Insufficient,
    /// The outbox is full: Kafka has been unavailable for too long.
    OutboxFull,
    /// The sale has taken as many orders as its rate allows.
    RateLimited {
        /// Milliseconds until it may take one more.
        wait_ms: u64,
    },
    /// The user has placed as many orders as a window allows.
    UserRateLimited {
        /// Milliseconds until the window ends.
        wait_ms: u64,
    },
}

impl ReservationStore {
    /// Reserves units for at most [`ORDERS_PER_CALL_MAX`] orders of one sale, in this order, once per order id. One answer
    /// per order: a damaged record fails alone.
    ///
    /// # Errors
    /// When Redis gave no usable answer; units may have been reserved.
    pub async fn reserve(
        &self,
        sale: &ReservationContext<'_>,
        requests: Vec<ReservationRequest>,
    ) -> Result<Answers, GateError> {
        let distinct = Distinct::of(requests);
        let mut arguments = Vec::with_capacity(sale.arguments(&distinct.requests));
        sale.push_arguments(&distinct.requests, &mut arguments);
        let script = match sale.is_limited {
            true => &self.scripts.reserve_limited,
            false => &self.scripts.reserve,
        };
        // WAIT must follow on the same connection.
        let (reply, client) = self
            .run_on(
                "reserve",
                script,
                sale.keys.of_reservation().into(),
                arguments,
            )
            .await?;
        let mut of_sale = [(
            &sale.keys.sale,
            answers(reply, distinct, sale.shares_entries)?,
        )];
        self.keep_promises(&client, &mut of_sale).await;
        let [(_, answers)] = of_sale;
        Ok(answers)
    }

    /// Waits until replicas have what the answers of these sales promise, and fails the answers whose writes they lack.
    pub(crate) async fn keep_promises(&self, client: &Client, sales: &mut [(&Key, Answers)]) {
        let sales = sales.iter_mut();
        let promising = sales.filter(|(_, answers)| answers.iter().any(is_promise));
        let (keys, promising): (Vec<_>, Vec<_>) =
            promising.map(|(key, answers)| (*key, answers)).unzip();
        let outcomes = self.each_on_replicas(client, &keys).await;
        for (answers, outcome) in promising.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                let promised = answers.iter_mut().filter(|answer| is_promise(answer));
                promised.for_each(|answer| *answer = Err(error.clone()));
            }
        }
    }
}

/// One answer per order.
pub type Answers = Vec<Result<Answer, GateError>>;

/// The answers in a reply of `reserve.lua`.
pub(crate) fn answers(
    reply: Value,
    distinct: Distinct,
    shares_entries: bool,
) -> Result<Answers, GateError> {
    let Distinct { requests, places } = distinct;
    let reply = Reply::read(reply, requests.len())?;
    let answers = reply.reservations(requests, shares_entries);
    Ok(places.answers_to_given(answers))
}

/// A refusal promises nothing.
fn is_promise(answer: &Result<Answer, GateError>) -> bool {
    let reservation = answer.as_ref().map(|answer| &answer.reservation);
    matches!(
        reservation,
        Ok(Reservation::Reserved { .. } | Reservation::Known { .. })
    )
}

impl Reservation {
    /// Reads the answer to an order for which no units were taken.
    pub(crate) fn not_taken(answer: Value) -> Result<Self, GateError> {
        let Value::Array(reply) = answer else {
            return Err(GateError::unexpected("an answer of reserve.lua", answer));
        };
        let text = |i: usize| reply.get(i).and_then(|value| value.as_str());
        let record = || text(1).map(|text| text.parse::<OrderRecord>()).transpose();
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
            "rate_limited" | "user_rate_limited" => {
                if let Some(wait_ms) = reply.get(1).and_then(Value::as_u64) {
                    return Ok(match &*verdict {
                        "rate_limited" => Self::RateLimited { wait_ms },
                        _ => Self::UserRateLimited { wait_ms },
                    });
                }
            }
            "unknown" => return Ok(Self::Unknown),
            "moved" => return Ok(Self::Moved),
            "behind" => return Ok(Self::Behind),
            "lost" => return Ok(Self::Lost),
            "closed" => return Ok(Self::Closed),
            "user_limit" => return Ok(Self::UserLimit),
            "unpaid_limit" => return Ok(Self::UnpaidLimit),
            "sold_out" => return Ok(Self::SoldOut),
            "insufficient" => return Ok(Self::Insufficient),
            "outbox_full" => return Ok(Self::OutboxFull),
            _ => {}
        }
        Err(GateError::unexpected("a verdict of reserve.lua", reply))
    }
}
