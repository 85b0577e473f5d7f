//! A sale, as an audit reads it.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use fluxgate_domain::ids::{OrderId, Quantity};
use fluxgate_domain::records::{QueueChangeRecord, QueueStartRecord};
use fluxgate_domain::{NumberSet, SequenceNumber, Terms};
use fred::types::Value;

use crate::{EventContent, GateError, OUTBOX_PAGE_MAX, OutboxEvent, ReservationStore, SaleKeys};

/// A sale at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The state of the sale.
    pub state: State,
    /// The highest number given out.
    pub number: SequenceNumber,
    /// Units for sale in all.
    pub total: i64,
    /// Units not reserved.
    pub remaining: i64,
    /// Units of orders that are paid, in a sale with holds.
    pub completed: i64,
    /// Orders that wait for their payment, whose entries have left the outbox.
    pub holds: u64,
    /// Entries in the outbox.
    pub waiting: u64,
    /// Numbers of the other events: cancels, expiries, restocks, amendments, the start and the changes of the queue, the closing, the
    /// opening.
    pub effects: HashSet<SequenceNumber>,
    /// Other events that are too many to be checked at one moment; then `effects` lacks them.
    pub unchecked_effects: usize,
    /// Orders in the outbox, some of which may have left it a moment earlier: they are on Kafka.
    pub orders: HashMap<OrderId, OutboxOrder>,
    /// Orders whose completions are in the outbox, or have left it a moment earlier.
    pub completions: HashSet<OrderId>,
    /// The numbers of these orders and completions.
    pub order_numbers: NumberSet,
    /// Events whose records are missing or damaged.
    pub unreadable: u64,
    /// Whether a key of the sale is missing.
    pub is_lost: bool,
    /// Everything that is said about the sale; `None`: opened by version 0.2 or earlier.
    pub terms: Option<Terms>,
    /// The start of the queue, if it has started.
    pub queue_start: Option<QueueStartRecord>,
    /// The last change of the queue, if it was changed.
    pub queue_change: Option<QueueChangeRecord>,
}

/// An order in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OutboxOrder {
    pub number: SequenceNumber,
    pub quantity: Quantity,
    /// The number of the cancel.
    pub cancel: Option<SequenceNumber>,
}

/// The state of a sale in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Claimed; the opening is not known to be on Kafka.
    Opening,
    /// Opened, and not closed by an admin.
    Open,
    /// Closed by an admin.
    Closed,
    /// Stopped for a rebuild.
    Rebuilding,
}

impl State {
    fn read(text: &str) -> Option<Self> {
        match text {
            "opening" => Some(Self::Opening),
            "open" => Some(Self::Open),
            "closed" => Some(Self::Closed),
            "rebuilding" => Some(Self::Rebuilding),
            _ => None,
        }
    }

    /// The value in Redis.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Rebuilding => "rebuilding",
        }
    }
}

impl Snapshot {
    /// Reads a reply of `snapshot.lua`; the entries that were read before are not in it.
    fn read(reply: &[Value]) -> Option<Self> {
        let number = |i: usize| reply.get(i).and_then(Value::as_i64);
        let Value::Array(changes) = reply.get(6)? else {
            return None;
        };
        let changes = changes.iter().map(|id| id.as_str()?.parse().ok());
        Some(Self {
            state: State::read(&reply.first()?.as_str()?)?,
            number: SequenceNumber {
                epoch: u32::try_from(number(1)?).ok()?,
                sequence: u32::try_from(number(2)?).ok()?,
            },
            total: number(3)?,
            remaining: number(4)?,
            completed: number(10)?,
            holds: reply.get(11)?.as_u64()?,
            waiting: reply.get(5)?.as_u64()?,
            effects: changes.collect::<Option<_>>()?,
            unchecked_effects: 0,
            orders: HashMap::new(),
            completions: HashSet::new(),
            order_numbers: NumberSet::default(),
            unreadable: 0,
            is_lost: number(8)? != 0,
            terms: match &*reply.get(9)?.as_str()? {
                "" => None,
                json => Some(Terms::read(json)?),
            },
            queue_start: optional_record(reply.get(12)?)?,
            queue_change: optional_record(reply.get(13)?)?,
        })
    }

    /// Whether the event with this number was in the outbox.
    pub fn holds(&self, number: SequenceNumber) -> bool {
        self.effects.contains(&number) || self.order_numbers.contains(number)
    }
}

/// Reads a record; an empty text stands for none.
fn optional_record<T: FromStr>(value: &Value) -> Option<Option<T>> {
    match &*value.as_str()? {
        "" => Some(None),
        record => record.parse().ok().map(Some),
    }
}

/// Changes whose entries one call checks; the same in `snapshot.lua`.
const CHANGES_MAX: usize = 500;
/// How often the outbox is read on because too many entries came before the call that checks them.
const ATTEMPTS: usize = 20;
/// The highest possible number.
const ALL: SequenceNumber = SequenceNumber::new(u32::MAX, u32::MAX);

/// What was read of an outbox, page by page.
#[derive(Default)]
struct OutboxRead {
    /// The last event read.
    last: Option<SequenceNumber>,
    changes: Vec<SequenceNumber>,
    orders: HashMap<OrderId, OutboxOrder>,
    completions: HashSet<OrderId>,
    order_numbers: NumberSet,
    unreadable: u64,
}

impl OutboxRead {
    fn add(&mut self, event: &OutboxEvent) {
        self.last = Some(event.number);
        match &event.content {
            EventContent::Order(id, record) => {
                let order = OutboxOrder {
                    number: event.number,
                    quantity: record.quantity,
                    cancel: record.cancel.map(|cancel| cancel.number),
                };
                self.order_numbers.insert(event.number);
                self.orders.insert(*id, order);
            }
            EventContent::Completion(id, _) => {
                self.order_numbers.insert(event.number);
                self.completions.insert(*id);
            }
            EventContent::Unreadable => {
                self.unreadable += 1;
                if !event.is_order {
                    self.changes.push(event.number);
                }
            }
            _ => self.changes.push(event.number),
        }
    }

    /// The changes to be checked, and how many there are if they are too many.
    fn changes(&self) -> (&[SequenceNumber], usize) {
        match self.changes.len() {
            0..=CHANGES_MAX => (&self.changes, 0),
            count => (&[], count),
        }
    }
}

impl ReservationStore {
    /// Reads a sale; `None` if this Redis does not have it. The outbox is read in pages; then one call reads the counters
    /// and checks which changes they do not contain.
    ///
    /// # Errors
    /// When Redis gave no usable answer, or the outbox grows faster than it can be read.
    pub async fn snapshot(&self, keys: &SaleKeys) -> Result<Option<Snapshot>, GateError> {
        let mut outbox = OutboxRead::default();
        for _ in 0..ATTEMPTS {
            while self.read_page(keys, &mut outbox, ALL).await? {}
            let (changes, unchecked) = outbox.changes();
            let last = outbox.last.unwrap_or_default().to_string();
            let mut arguments: Vec<Value> = vec![last.into(), i64::from(OUTBOX_PAGE_MAX).into()];
            arguments.extend(changes.iter().map(|number| number.to_string().into()));
            let script = &self.scripts.snapshot;
            let reply: Vec<Value> = self.run("snapshot", script, keys.all(), arguments).await?;
            match reply.first().and_then(Value::as_str).as_deref() {
                None => return Ok(None),
                Some("more") => continue,
                Some(_) => {}
            }
            let Some(mut snapshot) = Snapshot::read(&reply) else {
                return Err(GateError::unexpected("a snapshot of a sale", reply));
            };
            if reply.get(7).and_then(Value::as_u64) != Some(0) {
                let until = snapshot.number;
                while self.read_page(keys, &mut outbox, until).await? {}
            }
            snapshot.unchecked_effects = unchecked;
            snapshot.orders = outbox.orders;
            snapshot.completions = outbox.completions;
            snapshot.order_numbers = outbox.order_numbers;
            snapshot.unreadable = outbox.unreadable;
            return Ok(Some(snapshot));
        }
        let got = "one that grows too fast";
        Err(GateError::unexpected("an outbox that can be read", got))
    }

    /// Reads the next page of the outbox, up to the entry `until`; true if there may be more.
    async fn read_page(
        &self,
        keys: &SaleKeys,
        outbox: &mut OutboxRead,
        until: SequenceNumber,
    ) -> Result<bool, GateError> {
        let page = self
            .read_outbox(keys, outbox.last, until, OUTBOX_PAGE_MAX)
            .await?;
        page.events.iter().for_each(|event| outbox.add(event));
        Ok(page.events.len() >= OUTBOX_PAGE_MAX as usize)
    }
}
