//! The reconciler's reads: everything that is written about a sale. It also ends halts, and holds the lock of a rebuild.

mod halts;
mod order_pages;
mod rebuild_lock;
mod rows;

pub use halts::HaltedPartition;
pub use order_pages::OrderPages;
pub use rebuild_lock::RebuildLock;
pub use rows::{ChangeRow, DeadLetter, LedgerRow, OrderRow, UserRow, WrittenSale};

use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fluxgate_service::causes::causes;
use fluxgate_service::settings::PostgresSettings;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel};

use crate::columns::UnreadableRow;
use crate::ledger::CONSUMER;
use crate::{Address, StoredPosition, UrlError, sql};

/// Why PostgreSQL gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The URL or the certificate authorities cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No connection, or an error of the server.
    #[error("{}", causes(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// A row that no worker writes.
    #[error(transparent)]
    Unreadable(#[from] UnreadableRow),
    /// Another process rebuilds the sale.
    #[error("another rebuild of this sale is running")]
    Locked,
}

/// Most time for one small answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Most time for one page of orders; the first one may need to read the whole table.
const READ_LIMIT: Duration = Duration::from_secs(120);

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, AuditError> {
    let answer = tokio::time::timeout(limit, answer).await;
    Ok(answer.map_err(|_| AuditError::Timeout)??)
}

/// The reconciler's side of PostgreSQL: one connection to the database that the workers write to, and one more for each
/// [`RebuildLock`].
pub struct AuditReader {
    client: Client,
    address: Address,
    topic: String,
}

async fn connect(address: &Address) -> Result<Client, AuditError> {
    let Address { config, tls } = address.clone();
    let (client, connection) = config.connect(tls).await?;
    // A broken connection appears as the error of the next call.
    tokio::spawn(connection);
    Ok(client)
}

impl AuditReader {
    /// Connects. Positions and dead letters are those of `topic`.
    ///
    /// # Errors
    /// When a setting cannot be used or PostgreSQL is unavailable.
    pub async fn connect(
        settings: &PostgresSettings,
        application_name: &str,
        topic: &str,
    ) -> Result<Self, AuditError> {
        let ca_certificates = settings.database_ca_file.as_ref();
        let mut address = Address::read(&settings.database_url, ca_certificates, application_name)?;
        address.limit_silence(ANSWER_LIMIT);
        Ok(Self {
            client: connect(&address).await?,
            address,
            topic: topic.to_owned(),
        })
    }

    /// Every sale of the ledger.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn sales(&self) -> Result<Vec<LedgerRow>, AuditError> {
        let rows = within(READ_LIMIT, self.client.query(sql::SELECT_SALES, &[])).await?;
        rows.iter().map(LedgerRow::read).collect()
    }

    /// The ledger row of a sale; `None` if there is none.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn sale(&self, product: &ProductId) -> Result<Option<LedgerRow>, AuditError> {
        let product = product.as_str();
        let select = sql::SELECT_SALE;
        let row = within(ANSWER_LIMIT, self.client.query_opt(select, &[&product])).await?;
        row.as_ref().map(LedgerRow::read).transpose()
    }

    /// Up to where the workers have written a partition.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn position(&self, partition: i32) -> Result<StoredPosition, AuditError> {
        let parameters: [&(dyn ToSql + Sync); 3] = [&CONSUMER, &self.topic, &partition];
        let row = self.client.query_opt(sql::SELECT_POSITION, &parameters);
        let row = within(ANSWER_LIMIT, row).await?;
        let position = row.as_ref().map(StoredPosition::read).transpose()?;
        Ok(position.unwrap_or(StoredPosition::NEVER_READ))
    }

    /// Everything that is written about a sale, from one snapshot. The orders, of which there can be millions, are read
    /// in pages.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn read_sale(
        &mut self,
        product: &ProductId,
    ) -> Result<(WrittenSale, OrderPages<'_>), AuditError> {
        let transaction = self.client.build_transaction();
        let transaction = transaction.isolation_level(IsolationLevel::RepeatableRead);
        let snapshot = within(ANSWER_LIMIT, transaction.read_only(true).start()).await?;
        let limit = sql::settings::statement_timeout(READ_LIMIT);
        within(ANSWER_LIMIT, snapshot.batch_execute(&limit)).await?;
        let product = product.as_str();
        let select = sql::SELECT_SALE;
        let sale = within(ANSWER_LIMIT, snapshot.query_opt(select, &[&product])).await?;
        let sale = sale.as_ref().map(LedgerRow::read).transpose()?;
        let (changes, dead_letters) = within(READ_LIMIT, async {
            let key = product.as_bytes();
            let partition = sale.as_ref().map(|sale| sale.partition);
            let letters: [&(dyn ToSql + Sync); 3] = [&self.topic, &key, &partition];
            Ok((
                snapshot.query(sql::SELECT_CHANGES, &[&product]).await?,
                snapshot.query(sql::SELECT_DEAD_LETTERS, &letters).await?,
            ))
        })
        .await?;
        let changes = changes.iter().map(ChangeRow::read);
        let written = WrittenSale {
            changes: changes.collect::<Result<_, _>>()?,
            dead_letters: dead_letters.iter().filter_map(DeadLetter::read).collect(),
            sale,
        };
        let orders = OrderPages::begin(snapshot, product, written.sale.as_ref()).await?;
        Ok((written, orders))
    }
}
