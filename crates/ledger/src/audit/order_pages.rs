//! The orders of a sale, read in pages of one snapshot.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Portal, Row, Transaction};
use uuid::Uuid;

use super::{AuditError, LedgerRow, OrderRow, READ_LIMIT, UserRow, within};
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
    counted: CountedOrders,
    orders: Portal,
    users: Option<Portal>,
}

/// The orders of a sale, counted.
struct CountedOrders {
    rows: i64,
    sold_units: i64,
    completed_units: i64,
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
            let counted = count(&snapshot, product, bounds).await?;
            let parameters: [&(dyn ToSql + Sync); 1] = [&product];
            let uncounted = snapshot.query_one(sql::COUNT_UNCOUNTED_ORDERS, &parameters);
            let uncounted = within(READ_LIMIT, uncounted).await?;
            if sale.has_only(counted.rows, uncounted.try_get(0)?) {
                found = Some((bounds, counted));
            }
        }
        let (bounds, counted) = match found {
            Some(found) => found,
            None => (ALL, count(&snapshot, product, ALL).await?),
        };
        let orders = bind(&snapshot, sql::SELECT_ORDERS_BETWEEN, product, bounds).await?;
        Ok(Self {
            snapshot,
            product: product.to_owned(),
            bounds,
            counted,
            orders,
            users: None,
        })
    }

    /// Units of the orders that hold some: those that are confirmed or completed.
    pub fn sold_units(&self) -> i64 {
        self.counted.sold_units
    }

    /// Units of the completed orders.
    pub fn completed_units(&self) -> i64 {
        self.counted.completed_units
    }

    /// The next orders; none when all have been read.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn next(&mut self) -> Result<Vec<OrderRow>, AuditError> {
        let rows = page(&self.snapshot, &self.orders).await?;
        rows.iter().map(OrderRow::read).collect()
    }

    /// The next users that hold units or have left orders unpaid; none when all have been read.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn next_users(&mut self) -> Result<Vec<UserRow>, AuditError> {
        let select = sql::SELECT_USERS_BETWEEN;
        let users = match self.users.take() {
            Some(users) => users,
            None => bind(&self.snapshot, select, &self.product, self.bounds).await?,
        };
        let rows = page(&self.snapshot, &users).await?;
        self.users = Some(users);
        rows.iter().map(UserRow::read).collect()
    }
}

async fn count(
    snapshot: &Transaction<'_>,
    product: &str,
    [lowest, highest]: [Uuid; 2],
) -> Result<CountedOrders, AuditError> {
    let parameters: [&(dyn ToSql + Sync); 3] = [&product, &lowest, &highest];
    let counted = snapshot.query_one(sql::COUNT_ORDERS_BETWEEN, &parameters);
    let row = within(READ_LIMIT, counted).await?;
    Ok(CountedOrders {
        rows: row.try_get(0)?,
        sold_units: row.try_get(1)?,
        completed_units: row.try_get(2)?,
    })
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
