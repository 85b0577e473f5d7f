//! Faults of PostgreSQL.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use super::{Environment, Skipped, Store};

/// How long writes fail.
const FAILING: Duration = Duration::from_secs(4);
/// How much older the restored data are.
const OLDER: Duration = Duration::from_secs(3);
/// More than the small disk holds.
const FILL_BYTES: usize = 4 << 20;

/// Two orders of a hundred cannot be serialized with some other transaction.
pub const SERIALIZATION_FAILURES: &str = "
    CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF random() < 0.02 THEN
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER conflicts BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION conflict()";

/// New sessions take no writes, and there are only new ones: as after a failover to a server that is still a standby.
pub const READ_ONLY: &str = "
    BEGIN;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
    END $$;
    COMMIT;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";

/// New sessions take writes; the others do not change. It also undoes what an interrupted run has left.
pub const WRITABLE: &str = "
    BEGIN READ WRITE;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database());
    END $$;
    COMMIT";

/// A column gets another type, and all sessions prepare their statements for it.
pub const OTHER_TYPE: &str = "
    ALTER TABLE positions ALTER next_offset TYPE numeric;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";

pub async fn stop_immediately(env: &mut Environment) -> Result<()> {
    env.stack().stop_postgres_at_once()?;
    env.mark("stopped at once");
    env.wait_ms(200..2_500).await;
    env.bring_back(Store::Postgres).await
}

/// Runs one statement, and a while later the one that undoes it.
pub async fn run_sql(env: &mut Environment, begin: &'static str, end: &'static str) -> Result<()> {
    let database = env.sandbox.stores.postgres.clone();
    database.execute(begin).await?;
    env.mark("writes fail");
    sleep(FAILING).await;
    database.execute(end).await
}

pub async fn restore(env: &mut Environment) -> Result<()> {
    env.stack().save_postgres().await?;
    env.mark("saved");
    sleep(OLDER).await;
    env.stack().revert_postgres().await?;
    env.mark("restored");
    Ok(())
}

pub async fn fill_disk(env: &mut Environment) -> Result<()> {
    let made = env.stack().small_tablespace().await?;
    let disk = made.ok_or_else(|| Skipped("mounting is not allowed here".into()))?;
    let database = env.sandbox.stores.postgres.clone();
    database
        .execute("ALTER TABLE orders SET TABLESPACE small")
        .await?;
    env.mark("on a small disk");
    sleep(Duration::from_secs(1)).await;
    let file = disk.join("filling");
    fill(&file)?;
    env.mark("full");
    sleep(FAILING).await;
    fs::remove_file(&file).context("removing what fills the disk")?;
    env.mark("not full");
    database
        .execute("ALTER TABLE orders SET TABLESPACE pg_default")
        .await
}

/// Writes until the disk is full.
fn fill(path: &Path) -> Result<()> {
    match fs::write(path, vec![0; FILL_BYTES]) {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        Err(error) => Err(error).context("filling the disk"),
        Ok(()) => bail!("the disk is larger than it should be"),
    }
}
