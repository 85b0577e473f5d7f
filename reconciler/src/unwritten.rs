//! The records of a sale in Redis that PostgreSQL lacks.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{OrderId, ProductId, QueueChangeId, RestockId};
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::Records;
use fluxgate_ledger::{AuditError, AuditReader, OrderRow, WrittenSale};

use crate::{Stores, Undecided};

/// The records of a sale, without the orders that PostgreSQL is known to have.
pub struct Unwritten {
    records: Records,
    /// Whether PostgreSQL has the order at the same place of `records.orders`; a completion, expiry or cancel that it has is
    /// removed there.
    is_written: Vec<bool>,
}

/// A record that PostgreSQL lacks and that no outbox entry will publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Lacking {
    pub number: SequenceNumber,
    pub subject: Subject,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Subject {
    Order(OrderId),
    Completion(OrderId),
    Expiry(OrderId),
    Cancel(OrderId),
    Restock(RestockId),
    Amendment(SequenceNumber),
    QueueStart,
    QueueChange(QueueChangeId),
    Closing,
}

/// The opening of a sale that PostgreSQL lacks; `None` if an outbox entry will publish it.
///
/// # Errors
/// When a store gives no usable answer.
pub async fn unwritten_opening(
    stores: &Stores,
    product: &ProductId,
) -> Result<Option<Event>, Undecided> {
    if stores.ledger.sale(product).await?.is_some() {
        return Ok(None);
    }
    let view = stores.gate.sale(product).await?;
    let view = view.filter(|view| !view.opening);
    Ok(view.map(|view| Event::SaleOpened(view.opened_event().into())))
}

impl Lacking {
    /// Whether it makes room for orders.
    pub fn makes_room(&self) -> bool {
        use Subject::{Cancel, Expiry, Restock};
        matches!(self.subject, Expiry(_) | Cancel(_) | Restock(_))
    }

    /// The order whose record makes the event, if it is one.
    pub fn order(&self) -> Option<OrderId> {
        match self.subject {
            Subject::Order(id)
            | Subject::Completion(id)
            | Subject::Expiry(id)
            | Subject::Cancel(id) => Some(id),
            Subject::Restock(_)
            | Subject::Amendment(_)
            | Subject::QueueStart
            | Subject::QueueChange(_)
            | Subject::Closing => None,
        }
    }
}

impl Unwritten {
    /// All records, until the rows of PostgreSQL are removed.
    pub fn of(records: Records) -> Self {
        Self {
            is_written: vec![false; records.orders.len()],
            records,
        }
    }

    /// Fields of the orders hash that cannot be read.
    pub fn unreadable(&self) -> u64 {
        self.records.unreadable
    }

    /// Removes all orders that PostgreSQL has; returns what else is written about the sale.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn remove_written(
        &mut self,
        ledger: &mut AuditReader,
        product: &ProductId,
    ) -> Result<WrittenSale, AuditError> {
        let (written, mut orders) = ledger.read_sale(product).await?;
        loop {
            let page = orders.next().await?;
            if page.is_empty() {
                return Ok(written);
            }
            page.iter().for_each(|row| self.remove(row));
        }
    }

    fn remove(&mut self, row: &OrderRow) {
        let orders = &mut self.records.orders;
        if let Ok(at) = orders.binary_search_by_key(&row.id, |order| order.id)
            && !row.is_superseded_by(orders[at].number)
        {
            self.is_written[at] = true;
            let (order, facts) = (&mut orders[at], row.facts);
            order.completion.take_if(|_| facts.completion.is_some());
            order.expiry.take_if(|_| facts.expiry.is_some());
            order.cancel.take_if(|_| facts.cancel.is_some());
        }
    }

    /// What is left, in the order of the numbers: events that make room precede events that use it. `waits` tells whether
    /// an outbox entry with this number will publish the record.
    pub fn lacking(
        &self,
        waits: impl Fn(SequenceNumber) -> bool,
        written: &WrittenSale,
    ) -> Vec<Lacking> {
        let changes: HashSet<&str> = written.changes.iter().map(|row| row.id.as_str()).collect();
        let dead_letters = written.dead_letters.iter().map(|letter| letter.number);
        let dead_letters: HashSet<SequenceNumber> = dead_letters.collect();
        let is_sent = |number: SequenceNumber| waits(number) || dead_letters.contains(&number);

        let mut lacking = Vec::new();
        let mut add = |number, subject| {
            if !is_sent(number) {
                lacking.push(Lacking { number, subject });
            }
        };
        for (order, is_written) in self.records.orders.iter().zip(&self.is_written) {
            if !is_written {
                add(order.number, Subject::Order(order.id));
            }
            let marks = [
                (order.completion, Subject::Completion(order.id)),
                (order.expiry, Subject::Expiry(order.id)),
                (order.cancel, Subject::Cancel(order.id)),
            ];
            for (number, subject) in marks {
                if let Some(number) = number {
                    add(number, subject);
                }
            }
        }
        for (&id, restock) in &self.records.restocks {
            if !changes.contains(id.to_string().as_str()) {
                add(restock.number, Subject::Restock(id));
            }
        }
        for amendment in &self.records.amendments {
            let number = amendment.number;
            if !changes.contains(format!("amend:{number}").as_str()) {
                add(number, Subject::Amendment(number));
            }
        }
        for (&id, change) in &self.records.queue_changes {
            if !changes.contains(id.to_string().as_str()) {
                add(change.number, Subject::QueueChange(id));
            }
        }
        if let Some(start) = self.records.queue_start {
            let number = start.number;
            if !changes.contains(format!("queue_start:{number}").as_str()) {
                add(number, Subject::QueueStart);
            }
        }
        if let Some(closing) = self.records.closing
            && !changes.contains("close")
        {
            add(closing.number, Subject::Closing);
        }
        lacking.sort_unstable_by_key(|it| it.number);
        lacking
    }

    /// The event of a record; `records` has those of the orders. `None` if Redis no longer has the record.
    pub fn event(
        &self,
        product: &ProductId,
        subject: Subject,
        records: &HashMap<OrderId, OrderRecord>,
    ) -> Option<Event> {
        Some(match subject {
            Subject::Order(id) => Event::OrderReserved(records.get(&id)?.event(id, product)),
            Subject::Completion(id) => {
                Event::OrderCompleted(records.get(&id)?.completed_event(id, product)?)
            }
            Subject::Expiry(id) => {
                Event::OrderCancelled(records.get(&id)?.expired_event(id, product)?)
            }
            Subject::Cancel(id) => {
                Event::OrderCancelled(records.get(&id)?.cancelled_event(id, product)?)
            }
            Subject::Restock(id) => {
                Event::SaleRestocked(self.records.restocks.get(&id)?.event(id, product))
            }
            Subject::Amendment(number) => {
                let mut amendments = self.records.amendments.iter();
                let amendment = amendments.find(|it| it.number == number)?;
                Event::SaleAmended(amendment.event(product).into())
            }
            Subject::QueueStart => Event::QueueStarted(self.records.queue_start?.event(product)),
            Subject::QueueChange(id) => {
                Event::QueueChanged(self.records.queue_changes.get(&id)?.event(id, product))
            }
            Subject::Closing => Event::SaleClosed(self.records.closing?.event(product)),
        })
    }
}

#[cfg(test)]
mod tests;
