//! The orders of a sale, read in pages of one snapshot.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Portal, Row, Transaction};
use uuid::Uuid;

use super::{AuditError, LedgerRow, OrderRow, READ_LIMIT, within};
use crate::sql;

/// Rows per page.
const PAGE: i32 = 5_000;
/// The bounds of all ids.
const ALL: [Uuid; 2] = [Uuid::nil(), Uuid::max()];

/// The orders of a sale. Its transaction stays open, and with it the snapshot, until this is dropped.
pub struct OrderPages<'a> {
    snapshot: Transaction<'a>,
    product: String,
    /// The lowest and the highest id.
    bounds: [Uuid; 2],
    /// Units of the orders that hold some.
    sold_units: i64,
    orders: Portal,
    users: Option<Portal>,
}

impl<'a> OrderPages<'a> {
    /// The orders within the bounds of the sale's ids, if they are as many as the ledger counts; else the whole table
    /// is read for them.
    pub(super) async fn begin(
        snapshot: Transaction<'a>,
        product: &str,
        sale: Option<&LedgerRow>,
    ) -> Result<Self, AuditError> {
        let mut found = None;
        if let Some(sale) = sale {
            let bounds = sale.order_id_bounds();
            let (count, units) = count(&snapshot, product, bounds).await?;
            let parameters: [&(dyn ToSql + Sync); 1] = [&product];
            let uncounted = snapshot.query_one(sql::COUNT_UNCOUNTED_ORDERS, &parameters);
            let uncounted = within(READ_LIMIT, uncounted).await?;
            if sale.has_only(count, uncounted.try_get(0)?) {
                found = Some((bounds, units));
            }
        }
        let (bounds, sold_units) = match found {
            Some(found) => found,
            None => (ALL, count(&snapshot, product, ALL).await?.1),
        };
        let orders = bind(&snapshot, sql::SELECT_ORDERS_BETWEEN, product, bounds).await?;
        Ok(Self {
            snapshot,
            product: product.to_owned(),
            bounds,
            sold_units,
            orders,
            users: None,
        })
    }

    /// Units of the orders that hold some: those that are confirmed or completed.
    pub fn sold_units(&self) -> i64 {
        self.sold_units
    }

    /// The next orders; none when all have been read.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn next(&mut self) -> Result<Vec<OrderRow>, AuditError> {
        let rows = page(&self.snapshot, &self.orders).await?;
        rows.iter().map(OrderRow::read).collect()
    }

    /// The next users that hold units, with their number; none when all have been read.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn next_users(&mut self) -> Result<Vec<(String, i64)>, AuditError> {
        let select = sql::SELECT_USERS_BETWEEN;
        let users = match self.users.take() {
            Some(users) => users,
            None => bind(&self.snapshot, select, &self.product, self.bounds).await?,
        };
        let rows = page(&self.snapshot, &users).await?;
        self.users = Some(users);
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect()
    }
}

async fn count(
    snapshot: &Transaction<'_>,
    product: &str,
    [lowest, highest]: [Uuid; 2],
) -> Result<(i64, i64), AuditError> {
    let parameters: [&(dyn ToSql + Sync); 3] = [&product, &lowest, &highest];
    let counted = snapshot.query_one(sql::COUNT_ORDERS_BETWEEN, &parameters);
    let row = within(READ_LIMIT, counted).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

async fn bind(
    snapshot: &Transaction<'_>,
    select: &str,
    product: &str,
    [lowest, highest]: [Uuid; 2],
) -> Result<Portal, AuditError> {
    let parameters: [&(dyn ToSql + Sync); 3] = [&product, &lowest, &highest];
    within(READ_LIMIT, snapshot.bind(select, &parameters)).await
}

async fn page(snapshot: &Transaction<'_>, portal: &Portal) -> Result<Vec<Row>, AuditError> {
    within(READ_LIMIT, snapshot.query_portal(portal, PAGE)).await
}
