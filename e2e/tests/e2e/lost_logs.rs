//! Kafka loses its log: what was on it is published again, and no order is rejected.

use std::slice::from_ref;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::order::Action;
use e2e::process::{Process, changed};
use e2e::program::Program;
use e2e::wait::wait_until;

use crate::fixture::{WRITE_LIMIT, expect_right_audit, in_a_sandbox, open_sales, reconcile};
use crate::reconciler::{expect_rows, expect_sold, order, play};

/// How long a worker takes, at most, to halt a partition: it asks twice, five seconds apart.
const HALT_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn what_kafka_has_lost_is_published_again() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sale = open_sales(&api, 1, 300).await?.remove(0);
        play(&api, &sale, 0..100).await?;
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        worker.kill()?;
        play(&api, &sale, 100..200).await?;
        // One that PostgreSQL does not have.
        let unread = open_sales(&api, 1, 10).await?.remove(0);
        order(&api.client()?, &unread, 0).await?;
        sandbox.stores.topic.empty().await?;
        worker.restart().await?;

        until_halted(&worker).await?;
        reconcile(sandbox, &["audit"], 1, "is halted (log_ends_before").await?;
        reconcile(sandbox, &["republish"], 2, "see `reconciler accept-log`").await?;
        reconcile(sandbox, &["accept-log", "99"], 1, "99 is not halted").await?;
        reconcile(sandbox, &["accept-log"], 0, "1 logs accepted").await?;
        reconcile(sandbox, &["accept-log"], 0, "0 logs accepted").await?;
        // If both sales are on one partition, the opening was written first.
        reconcile(sandbox, &["republish"], 0, "events published").await?;
        let both = [sale.clone(), unread.clone()];
        sandbox.stores.written(&both, WRITE_LIMIT).await?;
        expect_rows(sandbox, &sale, 200, 0).await?;
        expect_rows(sandbox, &unread, 1, 0).await?;
        expect_right_audit(sandbox).await
    });
}

#[test]
fn orders_that_used_the_room_of_a_lost_log_are_confirmed() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let client = api.client()?;
        let sale = open_sales(&api, 1, 200).await?.remove(0);
        play(&api, &sale, 0..100).await?;
        let written = order(&client, &sale, 100).await?;
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        worker.kill()?;
        let lost = order(&client, &sale, 101).await?;
        play(&api, &sale, 102..200).await?;
        let (number, units) = (0, 5);
        client
            .expect_done(&sale, Action::Restock { number, units })
            .await?;
        for cancelled in [written, lost] {
            client.expect_done(&sale, Action::Cancel(cancelled)).await?;
        }
        sandbox.stores.topic.empty().await?;
        for buyer in 200..207 {
            order(&client, &sale, buyer).await?;
        }
        worker.restart().await?;

        wait_until("accept-log ends a halt", HALT_LIMIT, async || {
            reconcile(sandbox, &["accept-log"], 0, "1 logs accepted").await
        })
        .await?;
        reconcile(sandbox, &["republish"], 0, "events published").await?;
        expect_sold(sandbox, &sale, 205, 0).await
    });
}

#[test]
fn accept_log_changes_nothing_without_redis_and_finishes_what_one_that_was_killed_began() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let client = api.client()?;
        let sale = open_sales(&api, 1, 1).await?.remove(0);
        order(&client, &sale, 0).await?;
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        worker.kill()?;
        let (number, units) = (0, 1);
        client
            .expect_done(&sale, Action::Restock { number, units })
            .await?;
        sandbox.stores.topic.empty().await?;
        order(&client, &sale, 1).await?;
        worker.restart().await?;
        until_halted(&worker).await?;

        let postgres = &sandbox.stores.postgres;
        let accept =
            |settings| sandbox.launch(&Program::Reconciler.path()?, &["accept-log"], settings);
        let before = postgres.dump().await?;
        let no_redis = [("REDIS_URL", "redis://127.0.0.1:1")];
        let mut refused = accept(changed(&sandbox.settings(), &no_redis))?;
        let code = refused.ended(WRITE_LIMIT).await?.code();
        let printed = refused.output()?;
        let says_why = printed.contains("only Redis knows what the log has lost");
        ensure!(code == Some(2) && says_why, "{code:?}: {printed}");
        ensure!(postgres.dump().await? == before, "something was written");

        let (holder, observer) = tokio::try_join!(postgres.connect(), postgres.connect())?;
        let (holder, observer) = (&holder.client, &observer.client);
        let pid: i32 = holder
            .query_one("SELECT pg_backend_pid()", &[])
            .await?
            .get(0);
        let hold = "BEGIN; SELECT FROM positions FOR UPDATE";
        holder.batch_execute(hold).await?;
        let mut killed = accept(sandbox.settings())?;
        let waits = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))";
        let waiting: i32 = wait_until("the halt is about to end", WRITE_LIMIT, async || {
            Ok(observer.query_one(waits, &[&pid]).await?.get(0))
        })
        .await?;
        killed.kill()?;
        // Otherwise PostgreSQL finishes its statement.
        let end = "SELECT pg_terminate_backend($1)";
        observer.execute(end, &[&waiting]).await?;
        holder.batch_execute("ROLLBACK").await?;

        reconcile(sandbox, &["accept-log"], 0, "1 logs accepted").await?;
        reconcile(sandbox, &["republish"], 0, "events published").await?;
        expect_sold(sandbox, &sale, 2, 0).await
    });
}

async fn until_halted(worker: &Process) -> Result<()> {
    wait_until("a partition is halted", HALT_LIMIT, async || {
        let halted = worker.metric("inventory_worker_partitions_halted").await?;
        ensure!(halted == 1.0, "{halted} partitions are halted");
        Ok(())
    })
    .await
}
