//! A sale, as an audit reads it.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, RestockId};
use fluxgate_domain::records::{ClosingRecord, OrderRecord, RestockRecord};
use fred::interfaces::HashesInterface;
use fred::types::scan::Scanner;
use fred::types::{Map, Value};
use futures_util::TryStreamExt;

use crate::{EntryContent, GateError, OutboxEntry, ReservationStore, SaleKeys};

/// A sale at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The state of the sale.
    pub state: State,
    /// The highest number given out.
    pub number: SequenceNumber,
    /// Units for sale in all.
    pub total: i64,
    /// Units not reserved.
    pub remaining: i64,
    /// Entries in the outbox.
    pub waiting: u64,
    /// Numbers of the entries other than orders: cancels, restocks, closings, the opening.
    pub effects: HashSet<SequenceNumber>,
    /// Orders in the outbox, read a moment later.
    pub orders: HashMap<OrderId, OrderRecord>,
    /// Their numbers.
    pub order_numbers: HashSet<SequenceNumber>,
    /// Entries whose records are missing or damaged.
    pub unreadable: u64,
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

/// All records of a sale.
#[derive(Debug, Default)]
pub struct Records {
    /// Orders, including cancelled ones.
    pub orders: HashMap<OrderId, OrderRecord>,
    /// Restocks.
    pub restocks: HashMap<RestockId, RestockRecord>,
    /// The closing by an admin, if any.
    pub closing: Option<ClosingRecord>,
    /// Fields that cannot be read.
    pub unreadable: u64,
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

/// Entries or fields per page.
const PAGE: u32 = 500;

impl Snapshot {
    fn read(reply: &[Value]) -> Option<Self> {
        let number = |i: usize| reply.get(i).and_then(Value::as_i64);
        let Value::Array(effects) = reply.get(6)? else {
            return None;
        };
        let effects = effects.iter().map(|id| id.as_str()?.parse().ok());
        Some(Self {
            state: State::read(&reply.first()?.as_str()?)?,
            number: SequenceNumber {
                epoch: u32::try_from(number(1)?).ok()?,
                sequence: u32::try_from(number(2)?).ok()?,
            },
            total: number(3)?,
            remaining: number(4)?,
            waiting: reply.get(5)?.as_u64()?,
            effects: effects.collect::<Option<_>>()?,
            orders: HashMap::new(),
            order_numbers: HashSet::new(),
            unreadable: 0,
        })
    }

    fn add_entry(&mut self, entry: OutboxEntry) {
        match entry.content {
            EntryContent::Order(id, record) => {
                self.order_numbers.insert(entry.number);
                self.orders.insert(id, record);
            }
            EntryContent::Unreadable => self.unreadable += 1,
            _ => {}
        }
    }

    /// Whether an entry with this number was in the outbox.
    pub fn holds(&self, number: SequenceNumber) -> bool {
        self.effects.contains(&number) || self.order_numbers.contains(&number)
    }
}

impl ReservationStore {
    /// Reads a sale; `None` if this Redis does not have it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn snapshot(&self, keys: &SaleKeys) -> Result<Option<Snapshot>, GateError> {
        let both = vec![keys.sale.clone(), keys.outbox.clone()];
        let reply: Vec<Value> = self
            .run("snapshot", &self.scripts.snapshot, both, Vec::new())
            .await?;
        if reply.is_empty() {
            return Ok(None);
        }
        let Some(mut snapshot) = Snapshot::read(&reply) else {
            return Err(GateError::unexpected("a snapshot of a sale", reply));
        };
        let (mut after, until) = (None, snapshot.number);
        loop {
            let page = self.read_outbox(keys, after, until, PAGE).await?;
            let Some(last) = page.entries.last() else {
                return Ok(Some(snapshot));
            };
            after = Some(last.number);
            for entry in page.entries {
                snapshot.add_entry(entry);
            }
        }
    }

    /// Reads all records of a sale. Not a consistent snapshot: changes made meanwhile may or may not be seen.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn records(&self, keys: &SaleKeys) -> Result<Records, GateError> {
        let mut records = Records::default();
        let client = self.client();
        let pages = client.hscan(keys.orders.clone(), "*", Some(PAGE));
        let mut pages = std::pin::pin!(pages);
        while let Some(mut page) = pages.try_next().await? {
            let fields = page.take_results().map(Map::inner).unwrap_or_default();
            for (field, value) in fields {
                let field = field.into_string().unwrap_or_default();
                records.add_field(&field, &value.into_string().unwrap_or_default());
            }
            page.next();
        }
        let closed: Option<String> = client.hget(keys.sale.clone(), "closed").await?;
        records.closing = closed.and_then(|text| ClosingRecord::read(&text));
        Ok(records)
    }
}

impl Records {
    fn add_field(&mut self, field: &str, value: &str) {
        if field.is_empty() {
            return;
        }
        let read = match field.strip_prefix("restock:") {
            Some(id) => id
                .parse()
                .ok()
                .zip(value.parse().ok())
                .map(|(id, restock)| {
                    self.restocks.insert(id, restock);
                }),
            None => field
                .parse()
                .ok()
                .zip(value.parse().ok())
                .map(|(id, record)| {
                    self.orders.insert(id, record);
                }),
        };
        self.unreadable += u64::from(read.is_none());
    }
}
