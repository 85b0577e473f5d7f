use fluxgate_gate::{SaleFigures, SaleView};
use fluxgate_ledger::LedgerEntry;

/// A sale with the figures that only its operators see.
#[derive(Debug)]
pub struct WatchedSale {
    /// The sale.
    pub view: SaleView,
    /// [`SaleFigures::orders`]; this and the next two only while Redis has the sale.
    pub orders: Option<u64>,
    /// Entries in its outbox.
    pub outbox_entries: Option<u64>,
    /// The highest number given to somebody who joined after the start, in a sale with a queue.
    pub joined_late: Option<u64>,
    /// Units of confirmed and completed orders in the ledger, at most a second ago; `None` if the ledger does not say.
    pub sold: Option<i64>,
}

impl WatchedSale {
    /// A sale that Redis has.
    pub(super) fn of(figures: SaleFigures, entry: Option<&LedgerEntry>) -> Self {
        Self {
            view: figures.view,
            orders: Some(figures.orders),
            outbox_entries: Some(figures.outbox_entries),
            joined_late: figures.joined_late,
            sold: entry.map(|entry| entry.sold),
        }
    }

    /// A sale that is over, with the view that the ledger gives of it.
    pub(super) fn over(view: SaleView) -> Self {
        Self {
            orders: None,
            outbox_entries: None,
            joined_late: None,
            sold: Some(view.total.get().saturating_sub(view.remaining).into()),
            view,
        }
    }
}
