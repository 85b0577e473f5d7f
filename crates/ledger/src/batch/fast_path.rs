use deadpool_postgres::{Object, Transaction};
use fluxgate_domain::batch::Batch;
use fluxgate_service::crash_points::crash_point;
use jiff::Timestamp;

use super::WrittenBatch;
use super::rows::{BatchRows, OrderColumns};
use super::statements::{advance_positions, insert_dead_letters, open_sales};
use crate::{LedgerError, sql};

/// Writes a batch of which every order fits. All statements are sent at once; only the commit waits for their answers.
/// `None` if the batch needs the slow path; nothing was written then.
pub async fn write(
    client: &mut Object,
    limits: &str,
    topic: &str,
    batch: &Batch,
    rows: &BatchRows<'_>,
) -> Result<Option<WrittenBatch>, LedgerError> {
    let transaction = client.transaction().await?;
    // Prepared first, so that the joined calls below send their statements in the order of this list, behind the limits:
    // the positions are locked before anything is written.
    for statement in sql::FAST_PATH {
        transaction.prepare_cached(statement).await?;
    }
    let (limited, positions, opened, foreign, confirmed, dead_letters) = tokio::join!(
        transaction.batch_execute(limits),
        advance_positions(&transaction, topic, batch),
        open_sales(&transaction, rows),
        count_foreign(&transaction, rows),
        confirm_orders(&transaction, rows),
        insert_dead_letters(&transaction, topic, &rows.dead_letters),
    );
    limited?;
    // After a mismatch of positions no other answer means anything.
    positions?;
    opened?;
    if foreign? > 0 {
        return Ok(None);
    }
    let placed_at = match confirmed {
        Ok(Some(placed_at)) => placed_at,
        Ok(None) | Err(LedgerError::BeyondTotal) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Checked last: if the orders failed, PostgreSQL has ignored this statement, and its error names no cause.
    dead_letters?;
    crash_point("before_commit");
    transaction.commit().await?;
    crash_point("after_commit");
    Ok(Some(WrittenBatch {
        confirmed: placed_at.len() as u64,
        duplicates: (rows.orders.len() - placed_at.len()) as u64,
        placed_at,
        dead_letters: rows.dead_letters.offsets.len() as u64,
        ..WrittenBatch::default()
    }))
}

/// Counts what is on another partition than its sale.
async fn count_foreign(
    transaction: &Transaction<'_>,
    rows: &BatchRows<'_>,
) -> Result<i64, LedgerError> {
    let on = rows.partitions();
    if on.is_empty() {
        return Ok(0);
    }
    let (products, partitions): (Vec<&str>, Vec<i32>) = on.into_iter().unzip();
    let count = transaction.prepare_cached(sql::COUNT_FOREIGN).await?;
    let row = transaction
        .query_one(&count, &[&products, &partitions])
        .await?;
    Ok(row.try_get(0)?)
}

/// Confirms the orders; returns when each new one was placed. `None` if the ledger does not accept some of them.
async fn confirm_orders(
    transaction: &Transaction<'_>,
    rows: &BatchRows<'_>,
) -> Result<Option<Vec<Timestamp>>, LedgerError> {
    if rows.orders.is_empty() {
        return Ok(Some(Vec::new()));
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
    let all_new = rows.orders.len() as u64 == inserted.unsigned_abs();
    // In a rebuilt sale, an order that has a row may have been rejected in an earlier epoch.
    let is_rebuilt = rows.orders.iter().any(|order| order.epoch > 1);
    if products != counted || (!all_new && is_rebuilt) {
        return Ok(None);
    }
    Ok(Some(if all_new {
        o.placed_at
    } else {
        row.try_get::<_, Option<_>>(3)?.unwrap_or_default()
    }))
}
