//! Changes of sales. Each has a row of its own, once.

use super::sales::Sale;
use super::{Application, ChangeKind, FENCED, Headroom, NewChange, UNKNOWN_SALE};
use crate::SequenceNumber;
use crate::batch::PartitionOffset;
use crate::events::{QueueChanged, QueueStarted, SaleAmended, SaleClosed, SaleRestocked};

impl<'a> Application<'a, '_> {
    pub fn restock(
        &mut self,
        at: PartitionOffset,
        sale: &mut Sale<'a>,
        restock: &'a SaleRestocked,
    ) {
        let units = i64::from(restock.quantity);
        let change = NewChange {
            product: &restock.product_id,
            id: restock.restock_id.to_string(),
            kind: ChangeKind::Restock,
            units,
            number: SequenceNumber::new(restock.epoch, restock.sequence),
            at: restock.restocked_at,
            queue_settings: None,
        };
        if let Some(row) = self.change(at, sale, change) {
            row.total += units;
            sale.ledger.total += units;
        }
    }

    pub fn amend(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, amended: &'a SaleAmended) {
        let number = amended.number();
        let change = NewChange {
            product: &amended.product_id,
            id: format!("amend:{number}"),
            kind: ChangeKind::Amend,
            units: 0,
            number,
            at: amended.amended_at,
            queue_settings: None,
        };
        if self.change(at, sale, change).is_some() {
            let amendments = &mut self.applied.amendments;
            let highest = amendments.entry(&amended.product_id).or_insert(amended);
            if highest.number() < number {
                *highest = amended;
            }
        }
    }

    /// A queue starts once. If Redis has lost its start, there is another one, under another number: each is a change, and the
    /// larger count of those who joined before stays.
    pub fn start_queue(
        &mut self,
        at: PartitionOffset,
        sale: &mut Sale<'a>,
        start: &'a QueueStarted,
    ) {
        let number = start.number();
        let change = NewChange {
            product: &start.product_id,
            id: format!("queue_start:{number}"),
            kind: ChangeKind::QueueStart,
            units: 0,
            number,
            at: start.started_at,
            queue_settings: None,
        };
        if self.change(at, sale, change).is_some() {
            let joined = i64::try_from(start.joined).unwrap_or(i64::MAX);
            sale.ledger.queue_joined = sale.ledger.queue_joined.max(Some(joined));
        }
    }

    /// Each is a row with all that was set, so readers of the rows go by the highest number.
    pub fn change_queue(
        &mut self,
        at: PartitionOffset,
        sale: &mut Sale<'a>,
        changed: &'a QueueChanged,
    ) {
        let change = NewChange {
            product: &changed.product_id,
            id: changed.change_id.to_string(),
            kind: ChangeKind::QueueChange,
            units: 0,
            number: changed.number(),
            at: changed.changed_at,
            queue_settings: Some(changed.settings),
        };
        self.change(at, sale, change);
    }

    pub fn close(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, close: &'a SaleClosed) {
        let change = NewChange {
            product: &close.product_id,
            id: "close".to_owned(),
            kind: ChangeKind::Close,
            units: 0,
            number: SequenceNumber::new(close.epoch, close.sequence),
            at: close.closed_at,
            queue_settings: None,
        };
        if self.change(at, sale, change).is_some() {
            sale.ledger.closed_at = Some(close.closed_at);
        }
    }

    /// Writes a change; returns the ledger row of its sale, if the change is new and accepted.
    fn change<'s>(
        &mut self,
        at: PartitionOffset,
        sale: &'s mut Sale<'a>,
        change: NewChange<'a>,
    ) -> Option<&'s mut Headroom> {
        let number = change.number;
        if sale.headroom(at).is_none() {
            self.refuse(at, UNKNOWN_SALE);
            return None;
        }
        let id = (change.product.clone(), change.id.clone());
        if self.existing_changes.contains(&id) || self.new_changes.contains(&id) {
            self.applied.duplicates += 1;
            return None;
        }
        if sale.is_fenced(at, number.epoch) {
            self.refuse(at, FENCED);
            return None;
        }
        self.new_changes.insert(id);
        sale.count_number(number);
        self.applied.changes.push(change);
        sale.headroom(at)
    }
}
