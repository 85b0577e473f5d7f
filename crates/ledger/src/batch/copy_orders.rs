//! New orders by `COPY … FROM STDIN BINARY`.
//!
//! Rows are encoded here and not by the driver's `BinaryCopyInWriter`, which sends a message for every 4 KiB.

use std::io::Cursor;
use std::pin::pin;

use deadpool_postgres::Transaction;
use fluxgate_domain::apply::NewOrder;
use fluxgate_domain::{OrderFacts, SequenceNumber};
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;
use tokio_postgres::error::SqlState;

use super::statements::Statements;
use crate::LedgerError;
use crate::columns::{epoch_column, number_to_bits};

/// Columns of [`crate::sql::COPY_ORDERS`].
const COLUMNS: i16 = 9;
/// Columns of [`crate::sql::COPY_ORDERS_WITH_FACTS`].
const COLUMNS_WITH_FACTS: i16 = 14;
/// Signature, flags and the length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of the number of columns, behind the last row.
const TRAILER: i16 = -1;
/// In place of the length of a NULL.
const NULL: i32 = -1;
/// The size at which encoded rows are sent, so that PostgreSQL works while the next ones are encoded.
const MESSAGE_BYTES: usize = 64 * 1024;
/// A row seldom has more.
const ROW_BYTES: usize = 512;
/// PostgreSQL counts time from the year 2000.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Writes orders that have no row. In PostgreSQL this costs about half of an INSERT that looks for existing rows.
///
/// # Errors
/// [`LedgerError::CopyRefused`] if one of them has a row: the transaction has failed then, and nothing is written.
pub async fn copy_orders(
    transaction: &Transaction<'_>,
    statements: &Statements,
    orders: &[NewOrder<'_>],
) -> Result<(), LedgerError> {
    if orders.is_empty() {
        return Ok(());
    }
    // Orders of which nothing more is known, as nearly all are, are not given the other columns.
    let with_facts = orders.iter().any(|row| !row.facts.is_decision_only());
    let copy = match with_facts {
        true => &statements.copy_orders_with_facts,
        false => &statements.copy_orders,
    };
    let sink: CopyInSink<Cursor<Vec<u8>>> = transaction
        .copy_in(copy)
        .await
        .map_err(LedgerError::CopyNotStarted)?;
    let mut sink = pin!(sink);
    let mut rows = Rows::with_header();
    // Neighbours in the index are inserted one after the other: in no order, PostgreSQL takes a sixth more CPU.
    let mut sorted: Vec<&NewOrder<'_>> = orders.iter().collect();
    sorted.sort_unstable_by_key(|row| row.order.order_id);
    for order in sorted {
        rows.push(order, with_facts);
        if rows.0.len() >= MESSAGE_BYTES {
            sink.send(rows.take()).await?;
        }
    }
    rows.0.extend(TRAILER.to_be_bytes());
    sink.send(rows.take()).await?;
    match sink.finish().await {
        Ok(_) => Ok(()),
        Err(error) if error.code().is_some_and(is_about_a_row) => {
            Err(LedgerError::CopyRefused(error))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether INSERT may take what COPY has refused. The only unique index of `orders` is its primary key. COPY BINARY also
/// takes the bytes of a value for a fault of data if the column has another type, which would make dead letters of orders.
fn is_about_a_row(code: &SqlState) -> bool {
    *code == SqlState::UNIQUE_VIOLATION || code.code().starts_with("22")
}

/// Encoded rows.
struct Rows(Vec<u8>);

impl Rows {
    fn with_header() -> Self {
        let mut bytes = Vec::with_capacity(MESSAGE_BYTES + ROW_BYTES);
        bytes.extend_from_slice(HEADER);
        Self(bytes)
    }

    /// What is to be sent; the next rows begin anew.
    fn take(&mut self) -> Cursor<Vec<u8>> {
        let next = Vec::with_capacity(MESSAGE_BYTES + ROW_BYTES);
        Cursor::new(std::mem::replace(&mut self.0, next))
    }

    fn push(&mut self, row: &NewOrder<'_>, with_facts: bool) {
        let NewOrder { order, facts } = row;
        let placed_at = order.placed_at.as_microsecond() - EPOCH_US;
        let columns = match with_facts {
            true => COLUMNS_WITH_FACTS,
            false => COLUMNS,
        };
        self.0.extend(columns.to_be_bytes());
        self.field(order.order_id.as_uuid().as_bytes());
        self.field(order.product_id.as_str().as_bytes());
        self.field(order.user_id.as_str().as_bytes());
        self.field(&i32::from(order.quantity.get()).to_be_bytes());
        self.field(&epoch_column(order.epoch).to_be_bytes());
        self.field(&i64::from(order.sequence).to_be_bytes());
        self.field(&placed_at.to_be_bytes());
        self.field(facts.status().as_str().as_bytes());
        self.nullable(facts.decision.reason().map(str::as_bytes));
        if with_facts {
            self.facts(facts);
        }
    }

    fn facts(&mut self, facts: &OrderFacts) {
        self.number(facts.completion);
        self.field(&[facts.completion_refused.into()]);
        self.number(facts.expiry);
        self.number(facts.cancel.map(|cancel| cancel.number));
        let cause = facts.cancel.map(|cancel| cancel.by.as_str());
        self.nullable(cause.map(str::as_bytes));
    }

    fn number(&mut self, number: Option<SequenceNumber>) {
        let bits = number.map(|number| number_to_bits(number).to_be_bytes());
        self.nullable(bits.as_ref().map(<[u8; 8]>::as_slice));
    }

    fn field(&mut self, value: &[u8]) {
        let length = i32::try_from(value.len()).expect("ids have at most 128 bytes");
        self.0.extend(length.to_be_bytes());
        self.0.extend_from_slice(value);
    }

    fn nullable(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.field(value),
            None => self.0.extend(NULL.to_be_bytes()),
        }
    }
}
