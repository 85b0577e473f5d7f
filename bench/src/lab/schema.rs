use anyhow::Result;
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};

/// A schema in PostgreSQL for one measurement.
pub struct Schema {
    /// Its unique name; also the name of a topic and a consumer group.
    pub name: String,
    /// The URL of the database, with this schema as the search path.
    pub url: String,
    /// A connection to the schema.
    pub client: Client,
}

impl Schema {
    pub async fn create(database_url: &str, label: &str) -> Result<Self> {
        let name = format!("{label}_{}", Timestamp::now().as_millisecond());
        let client = connect(database_url).await?;
        client
            .batch_execute(&format!("CREATE SCHEMA {name}; SET search_path = {name}"))
            .await?;
        Ok(Self {
            // The stack's URL already has options.
            url: format!("{database_url}&options=-c%20search_path%3D{name}"),
            name,
            client,
        })
    }

    pub async fn discard(self) -> Result<()> {
        let drop = format!("DROP SCHEMA {} CASCADE", self.name);
        Ok(self.client.batch_execute(&drop).await?)
    }
}

pub async fn connect(database_url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The sum of a topic's positions: the number of its records that are written.
pub async fn positions(database: &Client, topic: &str) -> Result<i64> {
    let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = $1";
    Ok(database.query_one(sum, &[&topic]).await?.try_get(0)?)
}
