//! PostgreSQL's disk is full.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::FutureExt;
use tokio::time::sleep;

use super::{NotHere, Row, row as usual};
use crate::faults::stage::Stage;
use crate::stack::Stack;

/// How long nothing more fits.
const FULL: Duration = Duration::from_secs(4);
/// As much as the disk may hold, and more.
const FILLING_BYTES: usize = 4 << 20;

pub fn row() -> Row {
    usual(
        "postgres-disk-full",
        "the table of orders lies on a disk that is full for 4 s",
        |stage| full(stage).boxed_local(),
    )
}

async fn full(stage: &mut Stage) -> Result<()> {
    let stack = stage.sandbox.stack.clone();
    let made = tokio::task::spawn_blocking(move || Stack::small_tablespace(&stack)).await??;
    let disk = made.ok_or_else(|| NotHere("mounting is not allowed here".into()))?;
    let database = &stage.sandbox.stores.database;
    let small = "ALTER TABLE orders SET TABLESPACE small";
    database.execute(small).await?;
    stage.mark("on a small disk");
    sleep(Duration::from_secs(1)).await;

    let filling = disk.join("filling");
    fill(&filling)?;
    stage.mark("full");
    sleep(FULL).await;
    fs::remove_file(&filling).context("making room")?;
    stage.mark("room again");
    let back = "ALTER TABLE orders SET TABLESPACE pg_default";
    stage.sandbox.stores.database.execute(back).await
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Result<()> {
    match fs::write(path, vec![0; FILLING_BYTES]) {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        Err(error) => Err(error).context("filling the disk"),
        Ok(()) => bail!("the disk is larger than it should be"),
    }
}
