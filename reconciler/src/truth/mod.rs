//! PostgreSQL: what was sold. All of `tokio_postgres` stays in this folder.

mod rows;

pub use rows::{Buried, Change, Kind, LedgerRow, Order, Status, Written};

use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fluxgate_ledger::{Address, causes};
use fluxgate_service::settings::refuse;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use crate::config::Settings;

/// Why PostgreSQL gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// No answer, or a refusal.
    #[error("{}", causes(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// No answer in time.
    #[error("it does not answer")]
    Unavailable,
    /// A row that no version of our workers writes.
    #[error("{0} is not what a worker writes")]
    Unreadable(&'static str),
    /// Somebody else is rebuilding the sale.
    #[error("another rebuild of this sale is under way")]
    Locked,
}

const SALES: &str = "
    SELECT product_id, total, sold, opens_at, closes_at, least(closes_at, closed_at) AS ends_at,
           per_user_limit, epoch, last_sequence, fenced_epoch, written, partition
    FROM stock_ledger";
const SALE: &str = "WHERE product_id = $1";
const POSITION: &str = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2";
const MOVE_BACK: &str = "
    UPDATE positions SET next_offset = $4
    WHERE topic = $1 AND partition = $2 AND next_offset = $3";
const LOCK: &str =
    "SELECT pg_try_advisory_lock(hashtext('fluxgate:rebuild:' || current_schema() || $1))";
const ORDERS: &str = "
    SELECT order_id, user_id, quantity, epoch, sequence, status, cancel_number, placed_at
    FROM orders WHERE product_id = $1";
/// The table has no index by product, which would cost every order that is written; but the ids of a sale's
/// orders stand together in its primary key.
const BETWEEN: &str = "AND order_id BETWEEN $2 AND $3";
/// Those that came before the ledger knew their sale; it counts them nowhere. An index has them (V4).
const UNCOUNTED: &str =
    "SELECT count(*) FROM orders WHERE product_id = $1 AND reason = 'unknown_sale'";
const CHANGES: &str = "
    SELECT change_id, kind, units, epoch, sequence, changed_at FROM sale_changes
    WHERE product_id = $1";
const BURIED: &str = "SELECT value FROM dead_letters WHERE topic = $1 AND key = $2";

/// Longest that one small answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Longest that reading all orders of a sale may take.
const READ_LIMIT: Duration = Duration::from_secs(120);

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, TruthError> {
    let answer = tokio::time::timeout(limit, answer).await;
    Ok(answer.map_err(|_| TruthError::Unavailable)??)
}

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
    pub async fn connect(settings: &Settings) -> Result<Self, TruthError> {
        let (url, ca_certificates) = (&settings.database_url, &settings.database_ca_file);
        let Address { mut config, tls } =
            Address::read(url, ca_certificates.as_ref(), "reconciler")
                .unwrap_or_else(|error| refuse("DATABASE_URL", error));
        config
            .connect_timeout(ANSWER_LIMIT)
            .tcp_user_timeout(ANSWER_LIMIT)
            .keepalives_idle(ANSWER_LIMIT);
        let (client, connection) = config.connect(tls).await?;
        // A broken connection shows as the error of whatever is asked next.
        tokio::spawn(connection);
        let limit = format!("SET statement_timeout = {}", READ_LIMIT.as_millis());
        within(ANSWER_LIMIT, client.batch_execute(&limit)).await?;
        Ok(Self {
            client,
            topic: settings.kafka.kafka_topic.clone(),
        })
    }

    /// Every sale of the ledger.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn sales(&self) -> Result<Vec<LedgerRow>, TruthError> {
        let rows = within(READ_LIMIT, self.client.query(SALES, &[])).await?;
        rows.iter().map(LedgerRow::read).collect()
    }

    /// The ledger's row of a sale; `None` where it has none.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn sale(&self, product: &ProductId) -> Result<Option<LedgerRow>, TruthError> {
        let query = format!("{SALES} {SALE}");
        let product = product.as_str();
        let row = within(ANSWER_LIMIT, self.client.query_opt(&query, &[&product])).await?;
        row.as_ref().map(LedgerRow::read).transpose()
    }

    /// The offset up to which a partition is written.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn position(&self, partition: i32) -> Result<i64, TruthError> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.topic, &partition];
        let row = within(ANSWER_LIMIT, self.client.query_opt(POSITION, &parameters)).await?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// Moves a position back to `end`, where the log ends; false where it is not at `position` any more.
    ///
    /// # Errors
    /// When PostgreSQL does not take it.
    pub async fn move_back(
        &self,
        partition: i32,
        position: i64,
        end: i64,
    ) -> Result<bool, TruthError> {
        let parameters: [&(dyn ToSql + Sync); 4] = [&self.topic, &partition, &position, &end];
        let moved = within(ANSWER_LIMIT, self.client.execute(MOVE_BACK, &parameters)).await?;
        Ok(moved > 0)
    }

    /// Everything that is written about a sale, at one moment.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn written(&mut self, product: &ProductId) -> Result<Written, TruthError> {
        let transaction = self.client.build_transaction();
        let transaction = transaction.isolation_level(IsolationLevel::RepeatableRead);
        let product = product.as_str();
        let transaction = transaction.read_only(true);
        let snapshot = within(ANSWER_LIMIT, transaction.start()).await?;
        let sale = format!("{SALES} {SALE}");
        let sale = within(ANSWER_LIMIT, snapshot.query_opt(&sale, &[&product])).await?;
        let sale = sale.as_ref().map(LedgerRow::read).transpose()?;
        let (orders, changes, buried) = within(READ_LIMIT, async {
            Ok((
                orders(&snapshot, product, sale.as_ref()).await?,
                snapshot.query(CHANGES, &[&product]).await?,
                snapshot
                    .query(BURIED, &[&self.topic, &product.as_bytes()])
                    .await?,
            ))
        })
        .await?;
        Ok(Written {
            sale,
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
        let product = product.as_str();
        let row = within(ANSWER_LIMIT, self.client.query_one(LOCK, &[&product])).await?;
        if row.try_get(0)? {
            Ok(())
        } else {
            Err(TruthError::Locked)
        }
    }
}

/// Every order of a product: those that its sale's ids tell, where they are as many as there must be; else the whole
/// table is read for them.
async fn orders(
    snapshot: &Transaction<'_>,
    product: &str,
    sale: Option<&LedgerRow>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if let Some(sale) = sale {
        let [lowest, highest] = sale.bounds();
        let query = format!("{ORDERS} {BETWEEN}");
        let rows = snapshot
            .query(&query, &[&product, &lowest, &highest])
            .await?;
        let uncounted = snapshot.query_one(UNCOUNTED, &[&product]).await?;
        if sale.has_only(rows.len(), uncounted.try_get(0)?) {
            return Ok(rows);
        }
    }
    snapshot.query(ORDERS, &[&product]).await
}
