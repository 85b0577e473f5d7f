//! What only PostgreSQL can do.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt;
use tokio::time::sleep;

use super::{Row, row};
use crate::faults::checker::Violation;
use crate::faults::stage::Stage;
use crate::stack::{Stack, Store};

/// How long writes are refused.
const REFUSED: Duration = Duration::from_secs(4);

/// Every fiftieth order cannot be serialized with some other transaction.
const CONFLICTS: &str = "
    CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF random() < 0.02 THEN
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER conflicts BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION conflict()";

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "postgres-immediate",
            "PostgreSQL is stopped at once, and recovers",
            |stage| immediate(stage).boxed_local(),
        ),
        row(
            "postgres-refuse",
            "the right to insert orders is taken away for 4 s",
            |stage| {
                let (begin, end) = (
                    "REVOKE INSERT ON orders FROM CURRENT_USER",
                    "GRANT INSERT ON orders TO CURRENT_USER",
                );
                between(stage, begin, end).boxed_local()
            },
        ),
        row(
            "postgres-serialization",
            "every fiftieth order is a serialization failure for 4 s",
            |stage| between(stage, CONFLICTS, "DROP TRIGGER conflicts ON orders").boxed_local(),
        ),
        Row {
            // What was confirmed only by rows that are gone again is `accepted` until the worker has
            // read it a second time.
            excuses: |violation| matches!(violation, Violation::WentBack { .. }),
            ..row(
                "postgres-restored",
                "PostgreSQL comes back with data that is 3 s older",
                |stage| restored(stage).boxed_local(),
            )
        },
    ]
}

async fn immediate(stage: &mut Stage) -> Result<()> {
    stage
        .store("stopped at once", Stack::stop_postgres_at_once)
        .await?;
    stage.wait_ms(200..2_500).await;
    let start = |stack: &Stack| stack.bring_back(Store::Postgres);
    stage.store("started again", start).await
}

async fn between(stage: &mut Stage, begin: &str, end: &str) -> Result<()> {
    stage.sandbox.stores.database.execute(begin).await?;
    stage.mark("refused");
    sleep(REFUSED).await;
    stage.sandbox.stores.database.execute(end).await
}

async fn restored(stage: &mut Stage) -> Result<()> {
    stage.store("saved", Stack::save_postgres).await?;
    sleep(Duration::from_secs(3)).await;
    stage.store("put back", Stack::revert_postgres).await
}
