//! The prepared statements of a batch.

use deadpool_postgres::Transaction;
use tokio_postgres::Statement;

use crate::{LedgerError, sql};

/// All of them are prepared before the first is sent, so that calls which are polled together send their statements in
/// the order of their list.
#[allow(missing_docs, reason = "each is documented in `sql`")]
pub struct Statements {
    pub lock_positions: Statement,
    pub advance_positions: Statement,
    pub open_sales: Statement,
    pub lock_ledger: Statement,
    pub existing_orders: Statement,
    pub existing_changes: Statement,
    pub copy_orders: Statement,
    pub copy_orders_with_facts: Statement,
    pub insert_orders: Statement,
    pub complete_confirmed: Statement,
    pub change_orders: Statement,
    pub insert_changes: Statement,
    pub amend_sales: Statement,
    pub add_to_ledger: Statement,
    pub add_to_series: Statement,
    pub insert_dead_letters: Statement,
}

impl Statements {
    /// Takes them from the cache of the connection.
    pub async fn prepare(transaction: &Transaction<'_>) -> Result<Self, LedgerError> {
        let prepare = async |statement| transaction.prepare_cached(statement).await;
        Ok(Self {
            lock_positions: prepare(sql::LOCK_POSITIONS).await?,
            advance_positions: prepare(sql::ADVANCE_POSITIONS).await?,
            open_sales: prepare(sql::OPEN_SALES).await?,
            lock_ledger: prepare(sql::LOCK_LEDGER).await?,
            existing_orders: prepare(sql::EXISTING_ORDERS).await?,
            existing_changes: prepare(sql::EXISTING_CHANGES).await?,
            copy_orders: prepare(sql::COPY_ORDERS).await?,
            copy_orders_with_facts: prepare(sql::COPY_ORDERS_WITH_FACTS).await?,
            insert_orders: prepare(sql::INSERT_ORDERS).await?,
            complete_confirmed: prepare(sql::COMPLETE_CONFIRMED).await?,
            change_orders: prepare(sql::CHANGE_ORDERS).await?,
            insert_changes: prepare(sql::INSERT_CHANGES).await?,
            amend_sales: prepare(sql::AMEND_SALES).await?,
            add_to_ledger: prepare(sql::ADD_TO_LEDGER).await?,
            add_to_series: prepare(sql::ADD_TO_SERIES).await?,
            insert_dead_letters: prepare(sql::INSERT_DEAD_LETTERS).await?,
        })
    }
}
