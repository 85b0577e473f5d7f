//! Columns as types of the domain, and back.
//!
//! A number is `epoch integer, sequence bigint`, or both in one `bigint`.

use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::order_facts::{Cancel, CancelledBy, Decision};
use fluxgate_domain::queue::QueueSettings;
use fluxgate_domain::{OrderFacts, OrderStatus, SequenceNumber, Terms};
use tokio_postgres::Row;
use uuid::Uuid;

/// A row holds a value that no worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row holds a value that no worker writes: {0}")]
pub struct UnreadableRow(pub &'static str);

/// Reads a pair of columns.
pub fn number(epoch: i32, sequence: i64) -> Result<SequenceNumber, UnreadableRow> {
    let pair = u32::try_from(epoch).ok().zip(u32::try_from(sequence).ok());
    let (epoch, sequence) = pair.ok_or(UnreadableRow("a number"))?;
    Ok(SequenceNumber::new(epoch, sequence))
}

/// Reads a single column, `epoch << 32 | sequence`.
pub fn number_from_bits(bits: i64) -> SequenceNumber {
    SequenceNumber::from_bits(bits.cast_unsigned())
}

/// The single column.
pub fn number_to_bits(number: SequenceNumber) -> i64 {
    number.to_bits().cast_signed()
}

/// Reads a column `epoch`.
pub fn epoch(column: i32) -> Result<u32, UnreadableRow> {
    u32::try_from(column).map_err(|_| UnreadableRow("an epoch"))
}

/// The column `epoch`. Epochs count rebuilds: none comes near the limit.
pub fn epoch_column(epoch: u32) -> i32 {
    i32::try_from(epoch).unwrap_or(i32::MAX)
}

/// The lowest and the highest of these ids, for BETWEEN: on a partitioned table, only that leaves out partitions when ids
/// are listed. A join looks up each id in its partition only.
pub fn bounds(ids: &[Uuid]) -> [Uuid; 2] {
    [ids.iter().min(), ids.iter().max()].map(|id| id.copied().unwrap_or_default())
}

/// Reads a column `order_id`.
pub fn order_id(column: Uuid) -> Result<OrderId, UnreadableRow> {
    OrderId::try_from(column).map_err(|_| UnreadableRow("an order's id"))
}

/// Reads a column `product_id`.
pub fn product_id(column: &str) -> Result<ProductId, UnreadableRow> {
    ProductId::parse(column).map_err(|_| UnreadableRow("a product's id"))
}

/// Reads a column `terms`, as text.
pub fn terms(column: Option<&str>) -> Result<Option<Terms>, UnreadableRow> {
    let read = |json| Terms::read(json).ok_or(UnreadableRow("the terms of a sale"));
    column.map(read).transpose()
}

/// Reads a column `queue_settings`, as text.
pub fn queue_settings(column: Option<&str>) -> Result<Option<QueueSettings>, UnreadableRow> {
    let read = |json| QueueSettings::read(json).ok_or(UnreadableRow("the settings of a queue"));
    column.map(read).transpose()
}

/// Reads what is known about an order: six columns from `first` on, `reason, completion_number, completion_refused,
/// expiry_number, cancel_number, cancel_cause`.
pub fn facts<E>(row: &Row, first: usize) -> Result<OrderFacts, E>
where
    E: From<UnreadableRow> + From<tokio_postgres::Error>,
{
    let decision = Decision::read(row.try_get(first)?);
    let number = |column| Ok::<_, E>(row.try_get::<_, Option<i64>>(column)?.map(number_from_bits));
    let cause: Option<&str> = row.try_get(first + 5)?;
    // A worker that knows no causes writes none.
    let by = cause.map_or(Some(CancelledBy::Shop), CancelledBy::read);
    let by = by.ok_or(UnreadableRow("the cause of a cancel"))?;
    Ok(OrderFacts {
        decision: decision.ok_or(UnreadableRow("an order's reason"))?,
        completion: number(first + 1)?,
        completion_refused: row.try_get(first + 2)?,
        expiry: number(first + 3)?,
        cancel: number(first + 4)?.map(|number| Cancel { number, by }),
    })
}

/// Reads `orders.status`.
pub fn status(column: &str) -> Result<OrderStatus, UnreadableRow> {
    let status = column
        .parse()
        .ok()
        .filter(|it: &OrderStatus| it.is_written());
    status.ok_or(UnreadableRow("an order's status"))
}
