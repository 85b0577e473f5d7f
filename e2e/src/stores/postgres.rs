use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::OrderId;
use fluxgate_ledger::Address;
use fluxgate_service::settings::PostgresSettings;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::checker::{AdminCall, DeadLetter, Ledger, Row};
use crate::order::buyer_number;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The position of a partition that is halted.
const HALTED: i64 = -1;

/// PostgreSQL. Every question has a connection of its own, so that an outage between two of them
/// leaves nothing broken behind.
#[derive(Debug, Clone)]
pub struct Postgres(pub(super) PostgresSettings);

/// An order that was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub user: String,
    /// By Redis's clock.
    pub at: Timestamp,
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    pub client: tokio_postgres::Client,
    _driver: AbortOnDropHandle<()>,
}

impl Postgres {
    /// The database at `url`.
    pub fn new(url: &str) -> Self {
        Self(PostgresSettings {
            database_url: url.to_owned(),
            database_ca_file: None,
        })
    }

    /// A sale's rows in `orders`. One row at a time: there may be millions.
    pub async fn rows(&self, product: &str) -> Result<Vec<Row>> {
        let sql = "SELECT order_id, user_id, quantity::bigint, sequence::bigint, status FROM orders
            WHERE product_id = $1";
        let connection = self.connect().await?;
        let rows = connection.client.query_raw(sql, [product]).await?;
        let (mut found, mut rows) = (Vec::new(), std::pin::pin!(rows));
        while let Some(row) = rows.try_next().await? {
            let (id, quantity): (Uuid, i64) = (row.try_get(0)?, row.try_get(2)?);
            found.push(Row {
                id: OrderId::try_from(id)?,
                buyer: buyer_number(row.try_get(1)?),
                quantity: u32::try_from(quantity)?,
                sequence: row.try_get(3)?,
                status: row.try_get::<_, &str>(4)?.parse()?,
            });
        }
        Ok(found)
    }

    /// Who placed the orders of a sale, and when; the first one first.
    pub async fn placed(&self, product: &str) -> Result<Vec<Placed>> {
        let sql = "SELECT user_id, (extract(epoch FROM placed_at) * 1000)::bigint FROM orders
            WHERE product_id = $1 ORDER BY placed_at";
        let rows = self.query(sql, &[&product]).await?;
        let placed = |row: &SqlRow| {
            Ok(Placed {
                user: row.try_get(0)?,
                at: Timestamp::from_millisecond(row.try_get(1)?)?,
            })
        };
        rows.iter().map(placed).collect()
    }

    /// A sale's row in `stock_ledger`.
    pub async fn ledger(&self, product: &str) -> Result<Option<Ledger>> {
        let sql = "SELECT total, sold, completed FROM stock_ledger WHERE product_id = $1";
        let rows = self.query(sql, &[&product]).await?;
        let ledger = |row: &SqlRow| {
            Ok(Ledger {
                total: row.try_get(0)?,
                sold: row.try_get(1)?,
                completed: row.try_get(2)?,
            })
        };
        rows.first().map(ledger).transpose()
    }

    /// The sequence numbers of the starts of a sale's queue, which nobody asks for, and of the changes of how it is served.
    pub async fn queue_numbers(&self, product: &str) -> Result<Vec<i64>> {
        let sql = "SELECT sequence FROM sale_changes WHERE product_id = $1 AND starts_with(kind, 'queue_')";
        let rows = self.query(sql, &[&product]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What happened to a sale after its opening, with the sequence numbers. A cancel after the sale left Redis has none.
    pub async fn changes(&self, product: &str) -> Result<Vec<(i64, AdminCall)>> {
        let sql =
            "SELECT cancel_number & 4294967295, 'cancel', order_id::text, 0::bigint FROM orders
                WHERE product_id = $1 AND cancel_number & 4294967295 <> 0
            UNION ALL SELECT completion_number & 4294967295, 'complete', order_id::text, 0 FROM orders
                WHERE product_id = $1 AND completion_number & 4294967295 <> 0
            UNION ALL SELECT sequence, kind, change_id, units FROM sale_changes
                WHERE product_id = $1 AND NOT starts_with(kind, 'queue_')";
        let rows = self.query(sql, &[&product]).await?;
        let change = |row: &SqlRow| {
            let (id, units) = (row.try_get::<_, String>(2)?, row.try_get(3)?);
            let call = match row.try_get(1)? {
                "cancel" => AdminCall::Cancel(id.parse()?),
                "complete" => AdminCall::Complete(id.parse()?),
                "restock" => {
                    let change_id = id;
                    AdminCall::Restock { change_id, units }
                }
                "close" => AdminCall::Close,
                other => anyhow::bail!("a change of kind {other}"),
            };
            Ok((row.try_get(0)?, call))
        };
        rows.iter().map(change).collect()
    }

    /// The orders of a sale that were not paid in time, with the sequence numbers of their expiries.
    pub async fn expiries(&self, product: &str) -> Result<Vec<(i64, OrderId)>> {
        let sql = "SELECT expiry_number & 4294967295, order_id FROM orders
            WHERE product_id = $1 AND expiry_number IS NOT NULL";
        let rows = self.query(sql, &[&product]).await?;
        let expiry = |row: &SqlRow| {
            let id: Uuid = row.try_get(1)?;
            Ok((row.try_get(0)?, OrderId::try_from(id)?))
        };
        rows.iter().map(expiry).collect()
    }

    /// The dead letters that name this sale.
    pub async fn dead_letters_of(&self, product: &str) -> Result<Vec<DeadLetter>> {
        let letters = self.dead_letters().await?.into_iter();
        let events = letters.filter_map(|(value, _)| serde_json::from_slice(&value).ok());
        let own = events.filter(|event: &Value| event["productId"] == product);
        let letter = |event: Value| DeadLetter {
            order_id: event["orderId"].as_str().and_then(|id| id.parse().ok()),
            sequence: event["sequence"].as_i64().unwrap_or_default(),
        };
        Ok(own.map(letter).collect())
    }

    /// Values and reasons of all dead letters, by offset.
    pub async fn dead_letters(&self) -> Result<Vec<(Vec<u8>, String)>> {
        let sql =
            r#"SELECT coalesce(value, ''), reason FROM dead_letters ORDER BY partition, "offset""#;
        let rows = self.query(sql, &[]).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    /// The offset up to which each partition of `topic` has been written.
    pub async fn positions(&self, topic: &str) -> Result<HashMap<i32, i64>> {
        let sql = "SELECT partition, next_offset FROM positions WHERE topic = $1";
        let rows = self.query(sql, &[&topic]).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    /// The partitions of `topic` that no worker reads until an operator accepts their logs.
    pub async fn halted(&self, topic: &str) -> Result<Vec<i32>> {
        let positions = self.positions(topic).await?.into_iter();
        let halted = positions.filter(|(_, next)| *next == HALTED);
        Ok(halted.map(|(partition, _)| partition).collect())
    }

    /// Sets all positions to 0: a worker that starts reads the whole topic again.
    pub async fn reset_positions(&self) -> Result<()> {
        self.execute("UPDATE positions SET next_offset = 0").await
    }

    /// Empties all tables.
    pub async fn truncate(&self) -> Result<()> {
        let sql =
            "TRUNCATE orders, stock_ledger, number_series, sale_changes, dead_letters, positions";
        self.execute(sql).await
    }

    /// All orders, ledger rows, changes and dead letters as one text: equal texts, equal tables. When a dead letter is to
    /// be copied is left out: a worker may do it at any time.
    pub async fn dump(&self) -> Result<String> {
        let sql = "SELECT line FROM (
                SELECT 'order ' || o::text AS line FROM orders o
                UNION ALL SELECT 'ledger ' || l::text FROM stock_ledger l
                UNION ALL SELECT 'series ' || n::text FROM number_series n
                UNION ALL SELECT 'change ' || c::text FROM sale_changes c
                UNION ALL SELECT 'dead ' || (to_jsonb(d) - 'copy_due_at')::text FROM dead_letters d
            ) lines ORDER BY line";
        let rows = self.query(sql, &[]).await?;
        let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(lines?.join("\n"))
    }

    /// Runs a statement that returns nothing.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.connect().await?.client.batch_execute(sql).await?;
        Ok(())
    }

    pub(crate) async fn query(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<SqlRow>> {
        Ok(self.connect().await?.client.query(sql, values).await?)
    }

    pub async fn connect(&self) -> Result<Connection> {
        let certificates = self.0.database_ca_file.as_ref();
        let address = Address::read(&self.0.database_url, certificates, "e2e");
        let address = address.context("reading DATABASE_URL")?;
        let connecting = timeout(CONNECT_LIMIT, address.config.connect(address.tls)).await;
        let (client, connection) = connecting
            .context("PostgreSQL does not answer")?
            .context("connecting to PostgreSQL")?;
        // A broken connection shows as the error of the next question.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Connection {
            client,
            _driver: AbortOnDropHandle::new(driver),
        })
    }
}
