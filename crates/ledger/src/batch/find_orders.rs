//! Finds the rows of the orders of a batch.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use fluxgate_domain::OrderFacts;
use fluxgate_domain::apply::ExistingOrder;
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::order_facts::{Decision, OrderFact};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Path;
use super::rows::BatchRows;
use super::statements::Statements;
use crate::LedgerError;
use crate::columns::{self, bounds, number_to_bits};

/// What nearly every order is when its completion is read.
const CONFIRMED: OrderFacts = OrderFacts::of(Decision::Confirmed);

/// The orders of a batch that have a row.
#[derive(Debug, Default)]
pub struct FoundOrders {
    /// What the rows said.
    pub existing: HashMap<OrderId, ExistingOrder>,
    /// What the rows of orders say that were completed on the way.
    pub completed: HashMap<OrderId, OrderFacts>,
}

impl FoundOrders {
    /// On the slow path, reads the rows of all orders.
    ///
    /// On the fast path, orders are taken as new, and those of which nothing is read but their completion as confirmed: these
    /// are completed at once, so that their rows are looked up once instead of twice. The rows of all others are read.
    /// `apply` decides in either case; if it refuses a completion, the transaction is rolled back.
    pub async fn of(
        transaction: &Transaction<'_>,
        statements: &Statements,
        rows: &BatchRows<'_>,
        path: Path,
    ) -> Result<Self, LedgerError> {
        let mut found = Self::default();
        let mut ids = Vec::new();
        let mut completions = Vec::new();
        match path {
            Path::Slow => ids.extend(rows.orders().map(OrderId::as_uuid)),
            Path::Fast => {
                for (id, (order, fact)) in rows.changed_orders() {
                    let Some(OrderFact::Completion(number)) = fact else {
                        ids.push(id.as_uuid());
                        continue;
                    };
                    let (epoch, facts) = (order.epoch, CONFIRMED);
                    found.existing.insert(id, ExistingOrder { epoch, facts });
                    // It has its units: whether there are more does not matter.
                    let facts = facts.with(OrderFact::Completion(number), true);
                    found.completed.insert(id, facts);
                    completions.push((id.as_uuid(), number_to_bits(number)));
                }
            }
        }
        let (completed, read) = tokio::join!(
            complete_confirmed(transaction, statements, completions),
            read(transaction, statements, ids),
        );
        completed?;
        found.existing.extend(read?);
        Ok(found)
    }
}

/// Completes orders that are confirmed and of which nothing else is known.
///
/// # Errors
/// [`LedgerError::NotConfirmed`] if one of them is not.
async fn complete_confirmed(
    transaction: &Transaction<'_>,
    statements: &Statements,
    mut completions: Vec<(Uuid, i64)>,
) -> Result<(), LedgerError> {
    if completions.is_empty() {
        return Ok(());
    }
    // Neighbours in the index are looked up one after the other.
    completions.sort_unstable();
    let (ids, numbers): (Vec<Uuid>, Vec<i64>) = completions.into_iter().unzip();
    let parameters: [&(dyn ToSql + Sync); 2] = [&ids, &numbers];
    let complete = &statements.complete_confirmed;
    let completed = transaction.execute(complete, &parameters).await?;
    match completed == ids.len() as u64 {
        true => Ok(()),
        false => Err(LedgerError::NotConfirmed),
    }
}

async fn read(
    transaction: &Transaction<'_>,
    statements: &Statements,
    ids: Vec<Uuid>,
) -> Result<Vec<(OrderId, ExistingOrder)>, LedgerError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let [lowest, highest] = bounds(&ids);
    let parameters: [&(dyn ToSql + Sync); 3] = [&ids, &lowest, &highest];
    let orders = &statements.existing_orders;
    let orders = transaction.query(orders, &parameters).await?;
    let orders = orders.iter().map(|row| {
        let order = ExistingOrder {
            epoch: columns::epoch(row.try_get(1)?)?,
            facts: columns::facts::<LedgerError>(row, 2)?,
        };
        Ok((columns::order_id(row.try_get(0)?)?, order))
    });
    orders.collect()
}
