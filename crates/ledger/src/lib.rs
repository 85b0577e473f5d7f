//! PostgreSQL, the source of truth: the schema, every SQL statement, and the transaction that writes a batch.
//!
//! | type | for | does |
//! |---|---|---|
//! | [`Ledger`] | inventory-worker | migrates, writes batches, keeps positions, counts sequence gaps, says which dead letters to copy |
//! | [`LedgerReader`] | ingest-api | reads orders, sales and high-water marks; an unavailable PostgreSQL is a value |
//! | [`AuditReader`] | reconciler | reads everything that is written about a sale; ends halts; holds the lock of a rebuild |
//!
//! A batch is one transaction: the rows that it touches are read and locked, [`fluxgate_domain::apply`] decides, and the
//! result is written. On the fast path orders are taken as new and written by COPY, and completed orders are taken as
//! confirmed; if one of them is not, nothing is written, and the batch takes the slow path, which looks for the rows of all
//! its orders.
//!
//! Only this crate's manifest names the driver. Only typed rows leave the crate, and for tools an [`Address`].

mod audit;
mod batch;
mod columns;
mod connection;
mod dead_letter_copies;
mod error;
mod indexes;
mod ledger;
mod migrations;
mod pool;
mod positions;
mod reads;
mod sql;

pub use audit::{
    AuditError, AuditReader, ChangeRow, DeadLetter, HaltedPartition, LedgerRow, OrderPages,
    OrderRow, RebuildLock, UserRow, WrittenSale,
};
pub use batch::{ORDERS_NAMED_MAX, WrittenBatch};
pub use connection::{Address, UrlError};
pub use dead_letter_copies::LeasedDeadLetter;
pub use error::LedgerError;
pub use ledger::Ledger;
pub use migrations::SchemaError;
pub use positions::StoredPosition;
pub use reads::{
    LedgerEntry, LedgerReadMetrics, LedgerReader, ReadClass, ReaderSettings, Unavailable,
    WrittenOrder,
};
#[doc(hidden)]
pub use sql::schema::PROBE;
