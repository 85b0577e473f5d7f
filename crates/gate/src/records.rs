//! All records of a sale, as a republish and a rebuild read them.

use std::collections::HashMap;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, QueueChangeId, RestockId};
use fluxgate_domain::records::{
    AmendmentRecord, ClosingRecord, OrderRecord, QueueChangeRecord, QueueStartRecord, RestockRecord,
};
use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::Map;
use fred::types::scan::Scanner;

use crate::scan::next_page;
use crate::{GateError, ReservationStore, SaleKeys};

/// Fields per page.
const PAGE: u32 = 500;

/// All records of a sale. Those of orders are cut down to their numbers: there can be millions.
#[derive(Debug, Default)]
pub struct Records {
    /// Orders, including cancelled ones, sorted by id.
    pub orders: Vec<RecordedOrder>,
    /// Restocks.
    pub restocks: HashMap<RestockId, RestockRecord>,
    /// Amendments, in the order of their numbers.
    pub amendments: Vec<AmendmentRecord>,
    /// Changes of the queue.
    pub queue_changes: HashMap<QueueChangeId, QueueChangeRecord>,
    /// The start of the queue, if it has started.
    pub queue_start: Option<QueueStartRecord>,
    /// The closing by an admin, if any.
    pub closing: Option<ClosingRecord>,
    /// Fields that cannot be read.
    pub unreadable: u64,
    /// Fields that are no records: the placeholder.
    others: u64,
}

/// The numbers of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RecordedOrder {
    pub id: OrderId,
    pub number: SequenceNumber,
    /// The number of the completion.
    pub completion: Option<SequenceNumber>,
    /// The number of the expiry.
    pub expiry: Option<SequenceNumber>,
    /// The number of the cancel.
    pub cancel: Option<SequenceNumber>,
}

impl ReservationStore {
    /// Reads all records of a sale. Not a consistent snapshot: changes made meanwhile may or may not be seen.
    ///
    /// # Errors
    /// When Redis gave no usable answer, or not all records: a scan that continues in another Redis process (after a restart
    /// or a failover) skips fields.
    pub async fn records(&self, keys: &SaleKeys) -> Result<Records, GateError> {
        let client = self.client_of(&keys.orders).await?;
        let fields: usize = client.hlen(keys.orders.clone()).await?;
        let mut records = Records {
            orders: Vec::with_capacity(fields),
            ..Records::default()
        };
        let pages = client.hscan(keys.orders.clone(), "*", Some(PAGE));
        let mut pages = std::pin::pin!(pages);
        while let Some(mut page) = next_page(&mut pages).await? {
            let fields = page.take_results().map(Map::inner).unwrap_or_default();
            for (field, value) in fields {
                let field = field.into_string().unwrap_or_default();
                records.add_field(&field, &value.into_string().unwrap_or_default());
            }
            page.next();
        }
        // A scan may return a field twice.
        records.orders.sort_unstable_by_key(|order| order.id);
        records.orders.dedup_by_key(|order| order.id);
        let amendments = &mut records.amendments;
        amendments.sort_unstable_by_key(|amendment| amendment.number);
        amendments.dedup_by_key(|amendment| amendment.number);
        // No field is ever removed.
        if records.fields() < fields {
            let found = (records.fields(), fields);
            return Err(GateError::unexpected("every field of the orders", found));
        }
        let fields = vec!["closed", "queue_started"];
        let (closed, started): (Option<String>, Option<String>) =
            client.hmget(keys.sale.clone(), fields).await?;
        records.closing = closed.and_then(|text| ClosingRecord::read(&text));
        records.queue_start = started.and_then(|text| text.parse().ok());
        Ok(records)
    }

    /// The whole records of these orders, without those that are missing or damaged. At most a page of ids per call.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order_records(
        &self,
        keys: &SaleKeys,
        ids: &[OrderId],
    ) -> Result<HashMap<OrderId, OrderRecord>, GateError> {
        let mut records = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(PAGE as usize) {
            let fields: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let read = |client: Client| {
                let (key, fields) = (keys.orders.clone(), fields.clone());
                async move { client.hmget(key, fields).await }
            };
            let found: Vec<Option<String>> = self.at("order_records", &keys.orders, read).await?;
            let read = |text: Option<String>| text?.parse().ok();
            let pairs = ids.iter().zip(found);
            records.extend(pairs.filter_map(|(id, text)| Some((*id, read(text)?))));
        }
        Ok(records)
    }
}

impl Records {
    fn fields(&self) -> usize {
        let of_sale = self.restocks.len() + self.amendments.len();
        let changes = of_sale + self.queue_changes.len();
        self.orders.len() + changes + (self.unreadable + self.others) as usize
    }

    fn add_field(&mut self, field: &str, value: &str) {
        if field.is_empty() {
            self.others = 1;
            return;
        }
        let is_read = match field.split_once(':') {
            Some(("restock", id)) => self.add_restock(id, value),
            Some(("amend", _)) => self.add_amendment(value),
            Some(("queue", id)) => self.add_queue_change(id, value),
            _ => self.add_order(field, value),
        };
        self.unreadable += u64::from(is_read.is_none());
    }

    fn add_restock(&mut self, id: &str, value: &str) -> Option<()> {
        self.restocks.insert(id.parse().ok()?, value.parse().ok()?);
        Some(())
    }

    fn add_amendment(&mut self, value: &str) -> Option<()> {
        self.amendments.push(value.parse().ok()?);
        Some(())
    }

    fn add_queue_change(&mut self, id: &str, value: &str) -> Option<()> {
        let change = value.parse().ok()?;
        self.queue_changes.insert(id.parse().ok()?, change);
        Some(())
    }

    fn add_order(&mut self, id: &str, value: &str) -> Option<()> {
        let record: OrderRecord = value.parse().ok()?;
        self.orders.push(RecordedOrder {
            id: id.parse().ok()?,
            number: record.number,
            completion: record.completion.map(|mark| mark.number),
            expiry: record.expiry.map(|mark| mark.number),
            cancel: record.cancel.map(|cancel| cancel.number),
        });
        Some(())
    }
}
