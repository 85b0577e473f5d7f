use anyhow::Result;
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};

/// A schema of one's own in PostgreSQL.
pub struct Schema {
    /// Also good as the name of a topic or a group.
    pub name: String,
    /// Leads into it.
    pub url: String,
    /// Connected to it.
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
            url: with_search_path(database_url, &name),
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

fn with_search_path(url: &str, schema: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}options=-c%20search_path%3D{schema}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_joins_what_the_url_has_already() {
        let option = "options=-c%20search_path%3Ds";
        assert_eq!(with_search_path("u", "s"), format!("u?{option}"));
        assert_eq!(with_search_path("u?a=b", "s"), format!("u?a=b&{option}"));
    }
}
