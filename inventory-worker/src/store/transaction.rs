use std::collections::{HashMap, HashSet};

use deadpool_postgres::{Object, Transaction};
use fluxgate_domain::ids::OrderId;
use fluxgate_service::crash_points::crash_point;
use jiff::Timestamp;

use super::rows::{DeadRows, OrderColumns, Rows};
use super::settle_each::settle_each;
use super::{Store, WriteError, sql};
use crate::batch::Batch;

/// What writing a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Orders confirmed.
    pub confirmed: u64,
    /// When each of those was placed.
    pub placed_at: Vec<Timestamp>,
    /// Orders rejected because the stock did not reach.
    pub oversold: u64,
    /// Orders rejected because the ledger has no such sale.
    pub unknown_sale: u64,
    /// Orders rejected because they are of an epoch before their sale was rebuilt.
    pub fenced: u64,
    /// Orders given back.
    pub cancelled: u64,
    /// Restocks and closings.
    pub changes: u64,
    /// Records whose order or change was there already.
    pub duplicates: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Some of the orders rejected, at most [`REJECTED_NAMED_MAX`].
    pub rejected: Vec<OrderId>,
}

/// Rejected orders of one batch that are named: enough to look into what happened.
pub const REJECTED_NAMED_MAX: usize = 5;

impl Store {
    /// Writes a batch of `topic` and moves the positions past it, in one transaction: all of it, or
    /// nothing. Writing a batch again does nothing.
    ///
    /// # Errors
    /// When nothing was written, or (after a timeout or a broken connection) perhaps all of it.
    pub async fn write(&self, topic: &str, batch: &Batch) -> Result<Written, WriteError> {
        let rows = Rows::of(batch);
        self.within_deadline(async |client| {
            if !rows.order_matters {
                match confirm_all(client, topic, batch, &rows).await {
                    Err(WriteError::DoesNotFit) => {}
                    outcome => return outcome,
                }
            }
            settle_each(client, topic, batch, &rows).await
        })
        .await
    }
}

/// The common case: every order fits. All statements are sent at once; only the commit waits until
/// their answers were looked at.
async fn confirm_all(
    client: &mut Object,
    topic: &str,
    batch: &Batch,
    rows: &Rows<'_>,
) -> Result<Written, WriteError> {
    let transaction = client.transaction().await?;
    // Beforehand, so that the joined calls below send their statements in the order they stand in:
    // the positions are locked first.
    for statement in sql::SENT_TOGETHER {
        transaction.prepare_cached(statement).await?;
    }
    let (positions, opened, confirmed, dead) = tokio::join!(
        take_positions(&transaction, topic, batch),
        open_sales(&transaction, rows),
        confirm_orders(&transaction, rows),
        bury(&transaction, topic, &rows.dead),
    );
    // The position decides: behind a miss, no other answer means anything.
    positions?;
    opened?;
    dead?;
    let placed_at = confirmed?;
    crash_point("before_commit");
    transaction.commit().await?;
    crash_point("after_commit");
    Ok(Written {
        confirmed: placed_at.len() as u64,
        duplicates: (rows.orders.len() - placed_at.len()) as u64,
        placed_at,
        dead_letters: rows.dead.offsets.len() as u64,
        ..Written::default()
    })
}

/// Locks the positions, compares them with what the batch was read from, and moves them on.
pub(super) async fn take_positions(
    transaction: &Transaction<'_>,
    topic: &str,
    batch: &Batch,
) -> Result<(), WriteError> {
    let partitions: Vec<i32> = batch.slices.iter().map(|slice| slice.partition).collect();
    let next: Vec<i64> = batch.slices.iter().map(|slice| slice.next).collect();
    let lock = transaction.prepare_cached(sql::LOCK_POSITIONS).await?;
    let advance = transaction.prepare_cached(sql::ADVANCE_POSITIONS).await?;
    let (locked, advanced) = tokio::join!(
        async { transaction.query(&lock, &[&topic, &partitions]).await },
        async {
            transaction
                .execute(&advance, &[&topic, &partitions, &next])
                .await
        },
    );
    let mut held = HashMap::new();
    for row in locked? {
        held.insert(row.try_get::<_, i32>(0)?, row.try_get::<_, i64>(1)?);
    }
    let missed: Vec<i32> = batch
        .slices
        .iter()
        .filter(|slice| held.get(&slice.partition) != Some(&slice.expected))
        .map(|slice| slice.partition)
        .collect();
    if !missed.is_empty() {
        return Err(WriteError::Missed(missed));
    }
    advanced?;
    Ok(())
}

/// Returns the products whose ledger row is new.
pub(super) async fn open_sales(
    transaction: &Transaction<'_>,
    rows: &Rows<'_>,
) -> Result<HashSet<String>, WriteError> {
    let sales = rows.first_openings();
    if sales.is_empty() {
        return Ok(HashSet::new());
    }
    let products: Vec<_> = sales.iter().map(|sale| sale.product_id.as_str()).collect();
    let totals: Vec<_> = sales.iter().map(|sale| i64::from(sale.total)).collect();
    let opens_at: Vec<_> = sales.iter().map(|sale| sale.opens_at).collect();
    let closes_at: Vec<_> = sales.iter().map(|sale| sale.closes_at).collect();
    let limits: Vec<_> = sales
        .iter()
        .map(|sale| sale.per_user_limit.map(i64::from))
        .collect();
    let epochs: Vec<_> = sales
        .iter()
        .map(|sale| i32::try_from(sale.epoch).unwrap_or(i32::MAX))
        .collect();
    let partitions: Vec<_> = sales.iter().map(|sale| sale.partition).collect();
    let open = transaction.prepare_cached(sql::OPEN_SALES).await?;
    let opened = transaction
        .query(
            &open,
            &[
                &products,
                &totals,
                &opens_at,
                &closes_at,
                &limits,
                &epochs,
                &partitions,
            ],
        )
        .await?;
    opened.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Returns when each order that was new was placed.
async fn confirm_orders(
    transaction: &Transaction<'_>,
    rows: &Rows<'_>,
) -> Result<Vec<Timestamp>, WriteError> {
    if rows.orders.is_empty() {
        return Ok(Vec::new());
    }
    let o = OrderColumns::of(rows.orders.iter().copied());
    let confirm = transaction.prepare_cached(sql::CONFIRM_ORDERS).await?;
    let row = transaction
        .query_one(
            &confirm,
            &[
                &o.ids,
                &o.products,
                &o.users,
                &o.quantities,
                &o.epochs,
                &o.sequences,
                &o.placed_at,
            ],
        )
        .await?;
    let (inserted, products, counted): (i64, i64, i64) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let inserted = inserted.unsigned_abs();
    let placed_at: Option<Vec<Timestamp>> = row.try_get(3)?;
    // Of a rebuilt sale, an order with a row may be one that was rejected before.
    let mut rebuilt = rows.orders.iter().filter(|order| order.epoch > 1);
    let known = rows.orders.len() as u64 > inserted;
    if products != counted || (known && rebuilt.next().is_some()) {
        // Some order is of a sale, or an epoch of it, that the ledger does not take.
        return Err(WriteError::DoesNotFit);
    }
    Ok(if known {
        placed_at.unwrap_or_default()
    } else {
        o.placed_at
    })
}

pub(super) async fn bury(
    transaction: &Transaction<'_>,
    topic: &str,
    dead: &DeadRows<'_>,
) -> Result<(), WriteError> {
    if dead.offsets.is_empty() {
        return Ok(());
    }
    let insert = transaction.prepare_cached(sql::INSERT_DEAD_LETTERS).await?;
    transaction
        .execute(
            &insert,
            &[
                &topic,
                &dead.partitions,
                &dead.offsets,
                &dead.reasons,
                &dead.keys,
                &dead.values,
            ],
        )
        .await?;
    Ok(())
}
