use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_ledger::{ReadClass, WrittenOrder};
use fluxgate_log::Publication;
use tokio::time::Instant;

use super::{OrderStatusReader, OrderView};
use crate::pauses::Pauses;
use crate::sales::{ChangeError, NotedCompletion, SaleCache, SaleChanges, SaleLookupError};

/// How long a completion waits for Kafka and then for the row.
const WAIT: Duration = Duration::from_secs(2);
/// The pause before the row is read again; it doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The use case behind `POST /orders/{id}/complete`: note in Redis that the order was paid, and wait until its row says so.
pub struct CompleteOrder {
    changes: Arc<SaleChanges>,
    sales: Arc<SaleCache>,
}

/// How far a completion has come.
#[derive(Debug)]
pub enum Completion {
    /// The row says so: the payment may be captured.
    Written(OrderView),
    /// The order cannot expire any more. The row does not say yet whether it has its units.
    Pending(OrderView),
}

impl CompleteOrder {
    /// Completes orders through `changes`.
    pub fn new(changes: Arc<SaleChanges>, sales: Arc<SaleCache>) -> Self {
        Self { changes, sales }
    }

    /// Completes an order. The row has the last word; Redis may have lost an expiry or a completion.
    ///
    /// # Errors
    /// If the order is not known to be completed.
    pub async fn complete(
        &self,
        order_id: OrderId,
        statuses: &OrderStatusReader,
    ) -> Result<Completion, ChangeError> {
        let deadline = Instant::now() + WAIT;
        match self.changes.complete(order_id, WAIT).await {
            Ok(noted) => until_written(order_id, &noted, deadline, statuses).await,
            Err(error) if matches!(error, ChangeError::Expired) || error.is_missing_in_redis() => {
                self.by_row(order_id, error, statuses).await
            }
            Err(error) => Err(error),
        }
    }

    /// Decides by the row when Redis refuses the completion with `error`.
    async fn by_row(
        &self,
        order_id: OrderId,
        error: ChangeError,
        statuses: &OrderStatusReader,
    ) -> Result<Completion, ChangeError> {
        let row = statuses.row(order_id, ReadClass::Unknown).await;
        let Some(row) = row.map_err(|_| SaleLookupError::Undecided)? else {
            return Err(error);
        };
        match row.status {
            OrderStatus::Completed => Ok(Completion::Written(OrderView::written(order_id, row))),
            OrderStatus::Expired => Err(ChangeError::Expired),
            OrderStatus::Cancelled => Err(ChangeError::Cancelled),
            OrderStatus::Rejected => Err(ChangeError::Rejected),
            _ => match (error, ProductId::parse(&row.product_id)) {
                (ChangeError::UnknownOrder, Ok(product)) => {
                    Err(match self.sales.why_missing(&product).await {
                        SaleLookupError::Over(sale) if !sale.facts.has_holds => ChangeError::NoHold,
                        other => other.into(),
                    })
                }
                (error, _) => Err(error),
            },
        }
    }
}

/// Waits until the row says what became of an order whose completion is in Redis.
async fn until_written(
    order_id: OrderId,
    noted: &NotedCompletion,
    deadline: Instant,
    statuses: &OrderStatusReader,
) -> Result<Completion, ChangeError> {
    // Otherwise no worker can have read the completion.
    if noted.publication == Publication::Acknowledged
        && let Some(outcome) = wait_for_row(order_id, noted, deadline, statuses).await
    {
        return outcome;
    }
    let (product, record) = (&noted.product, &noted.record);
    match statuses.find(order_id).await {
        Ok(order) => match order.status {
            OrderStatus::Completed => Ok(Completion::Written(order)),
            OrderStatus::Cancelled => Err(ChangeError::Cancelled),
            OrderStatus::Rejected => Err(ChangeError::Rejected),
            _ => Ok(Completion::Pending(order)),
        },
        Err(_) => {
            let accepted = OrderView::of(order_id, product, record, OrderStatus::Accepted);
            Ok(Completion::Pending(accepted))
        }
    }
}

/// `None` if the row says nothing in time.
async fn wait_for_row(
    order_id: OrderId,
    noted: &NotedCompletion,
    deadline: Instant,
    statuses: &OrderStatusReader,
) -> Option<Result<Completion, ChangeError>> {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE, deadline);
    loop {
        let row = statuses.row(order_id, ReadClass::Known).await;
        if let Some(row) = row.ok().flatten()
            && let Some(outcome) = outcome(&row, noted)
        {
            let written = |()| Completion::Written(OrderView::written(order_id, row));
            return Some(outcome.map(written));
        }
        if !pauses.wait().await {
            return None;
        }
    }
}

/// What a row says about a completion that is in Redis; `None`: nothing yet.
fn outcome(row: &WrittenOrder, noted: &NotedCompletion) -> Option<Result<(), ChangeError>> {
    match row.status {
        OrderStatus::Completed => Some(Ok(())),
        OrderStatus::Cancelled => Some(Err(ChangeError::Cancelled)),
        // The key was used again after a rebuild without the rejected order.
        OrderStatus::Rejected if row.number < noted.record.number => None,
        OrderStatus::Rejected => Some(Err(ChangeError::Rejected)),
        OrderStatus::Expired if row.completion_refused => Some(Err(ChangeError::Expired)),
        _ => None,
    }
}
