//! What a batch finds: the rows that it touches, locked, and those of sales that it opens.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use fluxgate_domain::apply::{ExistingRows, Headroom};
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSeries, OrderFacts};
use tokio_postgres::types::ToSql;

use super::Path;
use super::find_orders::FoundOrders;
use super::rows::BatchRows;
use super::statements::Statements;
use crate::LedgerError;
use crate::columns::{self, epoch_column};

/// What `apply` decides by.
pub struct Found {
    pub existing: ExistingRows,
    pub headroom: HashMap<ProductId, Headroom>,
    /// What the rows of orders say that were completed on the way.
    pub completed: HashMap<OrderId, OrderFacts>,
}

impl Found {
    /// Opens the sales of the batch, then locks and reads the rows that it touches.
    pub async fn of(
        transaction: &Transaction<'_>,
        statements: &Statements,
        rows: &BatchRows<'_>,
        path: Path,
    ) -> Result<Self, LedgerError> {
        // Sent in this order: the lock of a sale protects the rows of its orders.
        let (opened, headroom, orders, changes) = tokio::join!(
            open_sales(transaction, statements, rows),
            lock_ledger(transaction, statements, rows),
            FoundOrders::of(transaction, statements, rows, path),
            find_changes(transaction, statements, rows),
        );
        let (opened, mut headroom, orders) = (opened?, headroom?, orders?);
        let existing = ExistingRows {
            orders: orders.existing,
            changes: changes?,
        };
        for (offset, sale) in rows.openings.iter().rev() {
            if opened.contains(sale.product_id.as_str())
                && let Some(headroom) = headroom.get_mut(&sale.product_id)
            {
                // The first opening of a sale counts, and comes last here.
                headroom.opened_at_offset = Some(*offset);
            }
        }
        Ok(Self {
            existing,
            headroom,
            completed: orders.completed,
        })
    }
}

/// Opens the sales that have no ledger row, each with its number series; returns their products.
async fn open_sales(
    transaction: &Transaction<'_>,
    statements: &Statements,
    rows: &BatchRows<'_>,
) -> Result<HashSet<String>, LedgerError> {
    let sales = rows.first_openings();
    if sales.is_empty() {
        return Ok(HashSet::new());
    }
    let products: Vec<_> = sales.iter().map(|sale| sale.product_id.as_str()).collect();
    let totals: Vec<_> = sales.iter().map(|sale| i64::from(sale.total)).collect();
    let opens_at: Vec<_> = sales.iter().map(|sale| sale.opens_at).collect();
    let closes_at: Vec<_> = sales.iter().map(|sale| sale.closes_at).collect();
    let limits = sales.iter().map(|sale| sale.per_user_limit.map(i64::from));
    let limits: Vec<_> = limits.collect();
    let epochs: Vec<_> = sales.iter().map(|sale| epoch_column(sale.epoch)).collect();
    let partitions: Vec<_> = sales.iter().map(|sale| sale.partition).collect();
    let terms = sales.iter().map(|sale| Some(sale.terms?.to_json()));
    let terms: Vec<Option<String>> = terms.collect();
    let id_times: Vec<_> = sales.iter().map(|sale| sale.id_time).collect();
    let series = sales.iter().map(|sale| NumberSeries::of(&sale.product_id));
    let series: Vec<NumberSeries> = series.collect();
    let series: Vec<&str> = series.iter().map(NumberSeries::as_str).collect();
    let parameters: [&(dyn ToSql + Sync); 10] = [
        &products,
        &totals,
        &opens_at,
        &closes_at,
        &limits,
        &partitions,
        &series,
        &epochs,
        &terms,
        &id_times,
    ];
    let opened = transaction
        .query(&statements.open_sales, &parameters)
        .await?;
    opened.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Locks and reads the ledger rows that the batch touches; every transaction locks them in the same order.
async fn lock_ledger(
    transaction: &Transaction<'_>,
    statements: &Statements,
    rows: &BatchRows<'_>,
) -> Result<HashMap<ProductId, Headroom>, LedgerError> {
    let products = rows.products();
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let locked = transaction
        .query(&statements.lock_ledger, &[&products])
        .await?;
    let headroom = locked.iter().map(|row| {
        let sale = Headroom {
            partition: row.try_get(4)?,
            total: row.try_get(1)?,
            sold: row.try_get(2)?,
            fenced_epoch: columns::epoch(row.try_get(3)?)?,
            opened_at_offset: None,
        };
        Ok((columns::product_id(row.try_get(0)?)?, sale))
    });
    headroom.collect()
}

/// Reads which changes of the sales that the batch changes have a row.
async fn find_changes(
    transaction: &Transaction<'_>,
    statements: &Statements,
    rows: &BatchRows<'_>,
) -> Result<HashSet<(ProductId, String)>, LedgerError> {
    let mut found = HashSet::new();
    let changes = rows.operations.iter().filter(|(_, it)| it.is_change());
    let products: Vec<&str> = changes.map(|(_, it)| it.product().as_str()).collect();
    if products.is_empty() {
        return Ok(found);
    }
    let changes = &statements.existing_changes;
    for row in transaction.query(changes, &[&products]).await? {
        let product = columns::product_id(row.try_get(0)?)?;
        found.insert((product, row.try_get(1)?));
    }
    Ok(found)
}
