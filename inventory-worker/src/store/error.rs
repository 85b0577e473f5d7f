use deadpool_postgres::PoolError;
use fluxgate_ledger::causes;
use tokio_postgres::error::SqlState;

/// Why a batch was not written. Named here, once; nobody else looks at SQLSTATEs.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// PostgreSQL holds other positions for these partitions: somebody else wrote them, or the
    /// database was restored. Nothing was written.
    #[error("partitions {0:?} were written by somebody else")]
    Missed(Vec<i32>),
    /// Some record cannot be written, now or ever.
    #[error("{0}")]
    Data(String),
    /// The orders do not all fit into the ledger. Never leaves the store.
    #[error("the orders do not fit into the ledger")]
    DoesNotFit,
    /// No answer in time; the transaction may have been committed.
    #[error("PostgreSQL did not answer in time")]
    Timeout,
    /// No connection.
    #[error("no connection: {}", causes(.0))]
    Pool(#[from] PoolError),
    /// Anything else; it passes, or somebody has to mend it. Until then the batch is tried again.
    #[error("{}", causes(.0))]
    Other(tokio_postgres::Error),
}

impl WriteError {
    /// A few words for a metric's label.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Missed(_) => "position",
            Self::Data(_) => "data",
            Self::DoesNotFit => "ledger",
            Self::Timeout => "timeout",
            Self::Pool(_) => "connection",
            Self::Other(error) if error.as_db_error().is_some() => "server",
            Self::Other(_) => "connection",
        }
    }
}

impl From<tokio_postgres::Error> for WriteError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Other(error);
        };
        let is_check = *db.code() == SqlState::CHECK_VIOLATION;
        // The same code stands for a missing partition, then without a constraint's name.
        match (db.table(), db.constraint()) {
            (Some("stock_ledger"), Some(_)) if is_check => Self::DoesNotFit,
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
