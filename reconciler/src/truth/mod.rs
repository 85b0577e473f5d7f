//! PostgreSQL: what was sold. All of `tokio_postgres` stays in this folder.

mod rows;

pub use rows::{Buried, Change, Kind, LedgerRow, Order, Status, Written};

use fluxgate_core::ids::ProductId;
use tokio_postgres::{Client, IsolationLevel, NoTls};

/// Why PostgreSQL gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// No answer, or a refusal.
    #[error("{}", text(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A row that no version of our workers writes.
    #[error("{0} is not what a worker writes")]
    Unreadable(&'static str),
    /// Somebody else is rebuilding the sale.
    #[error("another rebuild of this sale is under way")]
    Locked,
}

/// The driver's own text for a server's error is only "db error".
fn text(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

const SALES: &str = "
    SELECT product_id, total, sold, opens_at, closes_at, per_user_limit, epoch, last_sequence,
           fenced_epoch, partition
    FROM stock_ledger";
const SALE: &str = "WHERE product_id = $1";
const POSITION: &str = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2";
const MOVE_BACK: &str = "
    UPDATE positions SET next_offset = $3
    WHERE topic = $1 AND partition = $2 AND next_offset > $3";
const LOCK: &str =
    "SELECT pg_try_advisory_lock(hashtext('fluxgate:rebuild:' || current_schema() || $1))";
const ORDERS: &str = "
    SELECT order_id, user_id, quantity, epoch, sequence, status, cancel_number, placed_at
    FROM orders WHERE product_id = $1";
const CHANGES: &str = "
    SELECT change_id, kind, units, epoch, sequence, changed_at FROM sale_changes
    WHERE product_id = $1";
const BURIED: &str = "SELECT value FROM dead_letters WHERE topic = $1 AND key = $2";

/// One connection to the database that the workers write.
pub struct Truth {
    client: Client,
    topic: String,
}

impl Truth {
    /// Connects.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn connect(url: &str, topic: &str) -> Result<Self, TruthError> {
        let mut config: tokio_postgres::Config = url
            .parse()
            .unwrap_or_else(|error| fluxgate_core::settings::refuse("DATABASE_URL", error));
        config.connect_timeout(std::time::Duration::from_secs(10));
        config.application_name("reconciler");
        let (client, connection) = config.connect(NoTls).await?;
        // A broken connection shows as the error of whatever is asked next.
        tokio::spawn(connection);
        Ok(Self {
            client,
            topic: topic.to_owned(),
        })
    }

    /// Every sale of the ledger.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn sales(&self) -> Result<Vec<LedgerRow>, TruthError> {
        let rows = self.client.query(SALES, &[]).await?;
        rows.iter().map(LedgerRow::read).collect()
    }

    /// The ledger's row of a sale; `None` where it has none.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn sale(&self, product: &ProductId) -> Result<Option<LedgerRow>, TruthError> {
        let query = format!("{SALES} {SALE}");
        let row = self.client.query_opt(&query, &[&product.as_str()]).await?;
        row.as_ref().map(LedgerRow::read).transpose()
    }

    /// The offset up to which a partition is written.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn position(&self, partition: i32) -> Result<i64, TruthError> {
        let row = self
            .client
            .query_opt(POSITION, &[&self.topic, &partition])
            .await?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// Moves a position back to `end`, where the log ends; false where it does not stand beyond.
    ///
    /// # Errors
    /// When PostgreSQL does not take it.
    pub async fn move_back(&self, partition: i32, end: i64) -> Result<bool, TruthError> {
        let moved = self
            .client
            .execute(MOVE_BACK, &[&self.topic, &partition, &end])
            .await?;
        Ok(moved > 0)
    }

    /// Everything that is written about a sale, at one moment.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn written(&mut self, product: &ProductId) -> Result<Written, TruthError> {
        let snapshot = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let product = product.as_str();
        let sale = format!("{SALES} {SALE}");
        let sale = snapshot.query_opt(&sale, &[&product]).await?;
        let orders = snapshot.query(ORDERS, &[&product]).await?;
        let changes = snapshot.query(CHANGES, &[&product]).await?;
        let buried = snapshot
            .query(BURIED, &[&self.topic, &product.as_bytes()])
            .await?;
        Ok(Written {
            sale: sale.as_ref().map(LedgerRow::read).transpose()?,
            orders: orders.iter().map(Order::read).collect::<Result<_, _>>()?,
            changes: changes.iter().map(Change::read).collect::<Result<_, _>>()?,
            buried: buried.iter().filter_map(Buried::read).collect(),
        })
    }

    /// Keeps others from rebuilding the sale for as long as this connection lives.
    ///
    /// # Errors
    /// When somebody else does already, or PostgreSQL does not answer.
    pub async fn lock(&self, product: &ProductId) -> Result<(), TruthError> {
        let row = self.client.query_one(LOCK, &[&product.as_str()]).await?;
        if row.try_get(0)? {
            Ok(())
        } else {
            Err(TruthError::Locked)
        }
    }
}
