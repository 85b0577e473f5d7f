use fluxgate_domain::batch::Record;
use fluxgate_domain::events::Undecodable;

use crate::fixture::{order, orders_of, sale, until};
use crate::line::{Line, PARTITIONS};

fn garbage() -> Record {
    Record::new(0, 0, Some(b"k"), Some(b"{"), Err(Undecodable::MissingType))
}

#[tokio::test]
async fn what_is_on_the_topic_is_written_and_the_lag_goes_to_zero() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    for partition in 0..PARTITIONS {
        line.send(partition, &sale(&format!("p{partition}"), 20))
            .await;
    }
    line.until_count("orders", 60).await;
    assert_eq!(
        worker.metric("orders_total{outcome=\"confirmed\"}").await,
        60.0
    );
    until("no lag is shown", async || {
        let (_, metrics) = worker.get("/metrics").await;
        let shown = |partition| format!("lag_records{{partition=\"{partition}\"}} 0");
        (0..PARTITIONS).all(|partition| metrics.contains(&shown(partition)))
    })
    .await;
    assert_eq!(worker.metric("lag_seconds_max").await, 0.0);
    assert_eq!(worker.metric("end_to_end_seconds_count").await, 60.0);
    worker.stop().await;
}

#[tokio::test]
async fn a_record_that_postgresql_refuses_becomes_a_dead_letter_alone() {
    let line = Line::new().await;
    let refuse = "ALTER TABLE orders ADD CONSTRAINT orders_no_u7 CHECK (user_id <> 'u7')";
    line.schema.sql.batch_execute(refuse).await.unwrap();
    let worker = line.worker(&["--batch-max-age-ms=500"]).await;
    line.send(0, &sale("a", 20)).await;
    line.until_count("orders", 19).await;
    let reasons = line.schema.rows("SELECT reason FROM dead_letters").await;
    assert_eq!(reasons, ["refused: constraint orders_no_u7"]);
    let sold = line
        .schema
        .rows("SELECT sold::text FROM stock_ledger")
        .await;
    assert_eq!(sold, ["19"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_batches_postgresql_refuses_is_not_ready() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    let sql = &line.schema.sql;
    let revoke = "REVOKE INSERT ON orders FROM CURRENT_USER";
    sql.batch_execute(revoke).await.unwrap();
    line.send(0, &sale("a", 5)).await;
    until("the readiness names the reason", async || {
        let (code, checks) = worker.get("/readyz").await;
        code == 503 && checks.contains("batches are not written: ")
    })
    .await;
    let grant = "GRANT INSERT ON orders TO CURRENT_USER";
    sql.batch_execute(grant).await.unwrap();
    line.until_count("orders", 5).await;
    until("the worker is ready again", async || {
        worker.get("/readyz").await.0 == 200
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn too_much_garbage_halts_its_partition_and_no_other() {
    let line = Line::new().await;
    line.worker(&[]).await.stop().await; // makes the topic
    // Before a worker reads, so that all are in one batch.
    line.send(0, &vec![garbage(); 10]).await;
    line.send(0, &sale("a", 5)).await;
    line.send(1, &sale("b", 5)).await;
    let worker = line.start_worker(&["--dead-letters-max-per-batch=3"]);
    until("one partition is halted", async || {
        worker.metric("partitions_halted").await == 1.0
    })
    .await;
    line.until_count("orders", 5).await;
    assert_eq!(line.count("dead_letters").await, 0);
    line.send(1, &sale("c", 5)).await;
    line.until_count("orders", 10).await;
    worker.stop().await;

    // With a higher limit nothing is missing.
    let worker = line.worker(&[]).await;
    line.until_count("orders", 15).await;
    assert_eq!(line.count("dead_letters").await, 10);
    worker.stop().await;
}

#[tokio::test]
async fn a_database_that_comes_back_older_is_written_again() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 20)).await;
    line.until_count("orders", 20).await;
    // A batch is on its way while the database goes back: only its own comparison of positions can notice that.
    let sql = &line.schema.sql;
    let hold = "BEGIN; SELECT FROM positions FOR UPDATE";
    sql.batch_execute(hold).await.unwrap();
    line.send(0, &[order(0, "a", "late", 1, 21)]).await;
    let waits = "pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid";
    line.until_count(waits, 1).await;
    // As after a restore: rows, ledger and positions from the same earlier moment.
    let restore = "DELETE FROM orders; DELETE FROM number_series; DELETE FROM stock_ledger;
                   UPDATE positions SET next_offset = 0; COMMIT";
    sql.batch_execute(restore).await.unwrap();
    line.until_count("orders", 21).await;
    assert!(worker.metric("position_mismatches_total").await >= 1.0);
    worker.stop().await;
}

#[tokio::test]
async fn what_is_read_again_while_partitions_are_paused_is_written() {
    let line = Line::new().await;
    let worker = line.worker(&["--batch-max-rows=10"]).await;
    line.send(0, &sale("a", 20)).await;
    line.until_count("orders", 20).await;
    let sql = &line.schema.sql;
    let hold = "BEGIN; LOCK TABLE positions, orders, stock_ledger IN ACCESS EXCLUSIVE MODE";
    sql.batch_execute(hold).await.unwrap();
    line.send(0, &orders_of("a", 21..=120)).await;
    until("partitions are paused", async || {
        worker.metric("backpressure_pauses_total").await >= 1.0
    })
    .await;
    let restore = "TRUNCATE orders, stock_ledger, number_series; UPDATE positions SET next_offset = 0; COMMIT";
    sql.batch_execute(restore).await.unwrap();
    line.until_count("orders", 120).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_partition_that_cannot_be_written_holds_up_no_other_writer() {
    let line = Line::new().await;
    let worker = line
        .worker(&["--batch-max-rows=10", "--batch-writers=3"])
        .await;
    for (partition, product) in [(0, "a"), (1, "b"), (2, "c")] {
        line.send(partition, &sale(product, 20)).await;
    }
    line.until_count("orders", 60).await;
    let hold = "BEGIN; SELECT FROM positions WHERE partition = 1 FOR UPDATE";
    line.schema.sql.batch_execute(hold).await.unwrap();
    line.send(1, &orders_of("b", 21..=120)).await;
    until("its partition is paused", async || {
        worker.metric("backpressure_pauses_total").await >= 1.0
    })
    .await;
    line.send(0, &orders_of("a", 21..=120)).await;
    line.send(2, &orders_of("c", 21..=120)).await;
    line.until_count("orders", 260).await;

    line.schema.sql.batch_execute("COMMIT").await.unwrap();
    line.until_count("orders", 360).await;
    worker.stop().await;
}

#[tokio::test]
async fn connections_that_postgresql_closes_are_replaced() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 1)).await;
    line.until_count("orders", 1).await;
    for round in 2..=5 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = current_schema() AND pid <> pg_backend_pid()";
        line.schema.sql.batch_execute(end).await.unwrap();
        line.send(0, &[order(0, "a", &format!("u{round}"), 1, round)])
            .await;
        line.until_count("orders", round.into()).await;
    }
    worker.stop().await;
}
