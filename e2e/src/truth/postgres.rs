use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::OrderId;
use fluxgate_ledger::Address;
use fluxgate_service::settings::CaCertificates;
use futures_util::TryStreamExt;
use tokio::time::timeout;
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Change, Ledger, Row};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// PostgreSQL, as seen with a sandbox's search path. Every question has a connection of its own,
/// so that an outage in between leaves nothing broken behind.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    authorities: Option<CaCertificates>,
}

#[derive(Debug)]
struct Connection {
    client: tokio_postgres::Client,
    _driver: AbortOnDropHandle<()>,
}

/// The positions of a topic, to be looked at again and again over one connection.
#[derive(Debug)]
pub struct Positions {
    connection: Connection,
    topic: String,
}

impl Positions {
    /// The offset up to which each partition has been written.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn now(&self) -> Result<HashMap<i32, i64>> {
        let sql = "SELECT partition, next_offset FROM positions WHERE topic = $1";
        let client = &self.connection.client;
        let rows = client
            .query_typed(sql, &[(&self.topic, Type::TEXT)])
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }
}

/// A table that nobody can write to until this is dropped. Reading goes on.
#[derive(Debug)]
pub struct WriteLock {
    _connection: Connection,
}

impl Database {
    /// The database behind `url`.
    pub fn new(url: &str) -> Self {
        Self::behind(url, None)
    }

    /// The same; where `url` asks for a certificate, these vouch for it, or, without them, those of the system.
    pub fn behind(url: &str, authorities: Option<CaCertificates>) -> Self {
        let url = url.to_owned();
        Self { url, authorities }
    }

    /// A product's rows in `orders`.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn rows(&self, product: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.each_row(product, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Takes a product's rows in `orders` one by one: there may be millions.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn each_row(&self, product: &str, mut take: impl FnMut(Row)) -> Result<()> {
        let sql = "SELECT order_id, user_id, quantity::bigint, sequence::bigint, status FROM orders
            WHERE product_id = $1";
        let connection = self.connect().await?;
        let rows = connection.client.query_raw(sql, [product]).await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await? {
            let id: Uuid = row.try_get(0)?;
            take(Row {
                id: OrderId::try_from(id)?,
                user: row.try_get(1)?,
                quantity: row.try_get(2)?,
                sequence: row.try_get(3)?,
                status: row.try_get(4)?,
            });
        }
        Ok(())
    }

    /// A product's row in `stock_ledger`.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn ledger(&self, product: &str) -> Result<Option<Ledger>> {
        let sql = "SELECT total, sold FROM stock_ledger WHERE product_id = $1";
        let row = self
            .connect()
            .await?
            .client
            .query_opt(sql, &[&product])
            .await?;
        row.map(|row| {
            Ok(Ledger {
                total: row.try_get(0)?,
                sold: row.try_get(1)?,
            })
        })
        .transpose()
    }

    /// The numbers that a product's orders, cancels and changes have, in order.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn numbers(&self, product: &str) -> Result<Vec<i64>> {
        let sql = "SELECT number FROM (
                SELECT sequence AS number FROM orders WHERE product_id = $1
                UNION ALL SELECT cancel_number & 4294967295 FROM orders
                    WHERE product_id = $1 AND cancel_number IS NOT NULL
                UNION ALL SELECT sequence FROM sale_changes WHERE product_id = $1
            ) numbers ORDER BY number";
        let rows = self.connect().await?.client.query(sql, &[&product]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What happened to a sale after its opening: id, kind and units of each change.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn changes(&self, product: &str) -> Result<Vec<Change>> {
        let sql = "SELECT change_id, kind, units FROM sale_changes WHERE product_id = $1";
        let rows = self.connect().await?.client.query(sql, &[&product]).await?;
        rows.iter()
            .map(|row| {
                Ok(Change {
                    id: row.try_get(0)?,
                    kind: row.try_get(1)?,
                    units: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// The offset up to which each partition of `topic` has been written.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn positions(&self, topic: &str) -> Result<HashMap<i32, i64>> {
        self.watch_positions(topic).await?.now().await
    }

    /// The same, for whoever looks again and again.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn watch_positions(&self, topic: &str) -> Result<Positions> {
        Ok(Positions {
            connection: self.connect().await?,
            topic: topic.to_owned(),
        })
    }

    /// Lets nobody write orders until the lock is dropped.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn lock_orders(&self) -> Result<WriteLock> {
        let connection = self.connect().await?;
        let sql = "BEGIN; LOCK TABLE orders IN SHARE MODE";
        connection.client.batch_execute(sql).await?;
        Ok(WriteLock {
            _connection: connection,
        })
    }

    /// Makes the worker read all partitions from their beginning, once it starts again.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn forget_positions(&self) -> Result<()> {
        let sql = "UPDATE positions SET next_offset = 0";
        self.connect().await?.client.execute(sql, &[]).await?;
        Ok(())
    }

    /// Empties all tables.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn forget_everything(&self) -> Result<()> {
        let sql =
            "TRUNCATE orders, stock_ledger, number_series, sale_changes, dead_letters, positions";
        self.execute(sql).await
    }

    /// Values and reasons of the dead letters, by offset.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn dead_letters(&self) -> Result<Vec<(Vec<u8>, String)>> {
        let sql =
            r#"SELECT coalesce(value, ''), reason FROM dead_letters ORDER BY partition, "offset""#;
        let rows = self.connect().await?.client.query(sql, &[]).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    /// How many dead letters there are.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn dead_letter_count(&self) -> Result<i64> {
        let sql = "SELECT count(*) FROM dead_letters";
        let row = self.connect().await?.client.query_one(sql, &[]).await?;
        Ok(row.try_get(0)?)
    }

    /// All orders, ledger rows and dead letters as one text: equal texts, equal tables.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn contents(&self) -> Result<String> {
        let sql = "SELECT line FROM (
                SELECT 'order ' || o::text AS line FROM orders o
                UNION ALL SELECT 'ledger ' || l::text FROM stock_ledger l
                UNION ALL SELECT 'series ' || n::text FROM number_series n
                UNION ALL SELECT 'change ' || c::text FROM sale_changes c
                UNION ALL SELECT 'dead ' || d::text FROM dead_letters d
            ) lines ORDER BY line";
        let rows = self.connect().await?.client.query(sql, &[]).await?;
        let line = |row: &SqlRow| row.try_get::<_, String>(0);
        let lines: Result<Vec<_>, _> = rows.iter().map(line).collect();
        Ok(lines?.join("\n"))
    }

    /// Runs a statement that returns nothing.
    ///
    /// # Errors
    /// When PostgreSQL refuses it.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.connect().await?.client.batch_execute(sql).await?;
        Ok(())
    }

    async fn connect(&self) -> Result<Connection> {
        let address = Address::read(&self.url, self.authorities.as_ref(), "e2e");
        let address = address.context("reading DATABASE_URL")?;
        let connecting = timeout(CONNECT_LIMIT, address.config.connect(address.tls)).await;
        let (client, connection) = connecting
            .context("PostgreSQL does not answer")?
            .context("connecting to PostgreSQL")?;
        // A broken connection shows as the error of whatever is asked next.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Connection {
            client,
            _driver: AbortOnDropHandle::new(driver),
        })
    }
}
