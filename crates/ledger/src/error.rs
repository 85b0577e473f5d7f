use deadpool_postgres::PoolError;
use fluxgate_domain::batch::PartitionOffset;
use fluxgate_service::causes::causes;
use tokio_postgres::error::SqlState;

use crate::columns::UnreadableRow;
use crate::pool::Closing;

/// Why a call of [`Ledger`](crate::Ledger) failed. SQLSTATEs are classified here and in `pool/closing.rs` only.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// PostgreSQL holds other positions for these partitions: another worker has written them, or the database was
    /// restored. Nothing was written.
    #[error("PostgreSQL holds other positions for partitions {0:?}")]
    PositionMismatch(Vec<i32>),
    /// These records cannot be applied, each for a reason: they have to become dead letters. Nothing was written.
    #[error("{} records are refused", .0.len())]
    Refused(Vec<(PartitionOffset, &'static str)>),
    /// A record cannot be written, now or later.
    #[error("{0}")]
    Data(String),
    /// COPY refused an order: it has a row, or a column has another type. The fast path then leaves the batch to the slow
    /// path.
    #[error("an order cannot be copied: {0}")]
    CopyRefused(tokio_postgres::Error),
    /// An order that was taken as confirmed has no row, or something else is known about it. The fast path then leaves the
    /// batch to the slow path.
    #[error("an order that is completed was not confirmed")]
    NotConfirmed,
    /// A COPY was refused before it took a row. The driver then sends a second Sync, so that what it reads afterwards are
    /// the answers to earlier statements: the connection must not be used again.
    #[error("{}", causes(.0))]
    CopyNotStarted(tokio_postgres::Error),
    /// The CHECK of the ledger refuses the units. Only possible if somebody changes the ledger by hand.
    #[error("the units sold would exceed the total of a sale")]
    BeyondTotal,
    /// No answer in time; the transaction may have been committed.
    #[error("PostgreSQL did not answer in time")]
    Timeout,
    /// No connection.
    #[error("no connection: {}", causes(.0))]
    Pool(#[from] PoolError),
    /// A row that no worker writes.
    #[error(transparent)]
    Unreadable(#[from] UnreadableRow),
    /// The database cannot hold every text that an order may have.
    #[error(
        "the encoding of the database is {0}, not UTF8: not every name could be written; create a database with \
         ENCODING 'UTF8' TEMPLATE template0, restore the data into it, and set DATABASE_URL"
    )]
    Encoding(String),
    /// Any other error. The call can be repeated: the error passes, or an operator has to act.
    #[error("{}", causes(.0))]
    Other(tokio_postgres::Error),
}

impl LedgerError {
    /// Whether no connection could be used: every call fails so, whatever it reads.
    pub fn is_without_connection(&self) -> bool {
        self.cause() == "connection"
    }

    /// The value of a metric's label.
    pub fn cause(&self) -> &'static str {
        if matches!(
            Closing::after(self),
            Some(Closing::ReadOnly | Closing::StalePlan)
        ) {
            return "session";
        }
        match self {
            Self::PositionMismatch(_) => "position",
            Self::Data(_) | Self::Refused(_) => "data",
            Self::CopyRefused(_)
            | Self::NotConfirmed
            | Self::BeyondTotal
            | Self::Unreadable(_)
            | Self::Encoding(_) => "ledger",
            Self::Timeout => "timeout",
            Self::Pool(_) => "connection",
            Self::Other(error) | Self::CopyNotStarted(error) if error.as_db_error().is_some() => {
                "server"
            }
            Self::Other(_) | Self::CopyNotStarted(_) => "connection",
        }
    }
}

impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Other(error);
        };
        let is_check = *db.code() == SqlState::CHECK_VIOLATION;
        // A missing table partition has the same code, without the name of a constraint.
        match (db.table(), db.constraint()) {
            (Some("stock_ledger"), Some(_)) if is_check => Self::BeyondTotal,
            (Some("orders"), Some(constraint)) if is_check => {
                Self::Data(format!("refused: constraint {constraint}"))
            }
            _ if db.code().code().starts_with("22") => {
                Self::Data(format!("refused: {} ({})", db.message(), db.code().code()))
            }
            _ => Self::Other(error),
        }
    }
}
