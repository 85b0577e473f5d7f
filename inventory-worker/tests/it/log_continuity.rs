//! Logs that are not the ones that were read.

use rdkafka::admin::{AdminOptions, NewPartitions};

use crate::fixture::{order, sale, until};
use crate::line::{Line, PARTITIONS};
use crate::logs::{
    accept_logs, delete_topic, make_topic, make_topic_anew, make_topic_of, remove_before,
    until_halted,
};

#[tokio::test]
async fn a_log_made_anew_halts_its_partition_until_it_is_accepted() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 39)).await;
    line.until_count("orders", 39).await;
    worker.stop().await;
    make_topic_anew(&line).await;
    line.send(0, &sale("b", 65)).await;

    let worker = line.worker(&[]).await;
    until_halted(&worker, 1.0).await;
    let (status, report) = worker.get("/readyz").await;
    assert_eq!(status, 200);
    assert!(report.contains("degraded"), "{report}");
    assert!(
        report.contains("partition 0 is halted: record_differs"),
        "{report}"
    );
    let halted = "log_checks_total{outcome=\"halted\"}";
    assert_eq!(worker.metric(halted).await, 1.0);
    until("all of the log lags", async || {
        worker.metric("lag_records{partition=\"0\"}").await == 66.0
    })
    .await;
    worker.stop().await;

    // Neither a restart nor more records change anything.
    let worker = line.worker(&[]).await;
    line.send(0, &sale("c", 50)).await;
    line.send(1, &sale("d", 10)).await;
    until_halted(&worker, 1.0).await;
    line.until_count("orders", 49).await;
    assert_eq!(worker.metric(halted).await, 0.0, "it was halted before");

    accept_logs(&line, 0).await;
    line.until_count("orders", 164).await;
    until_halted(&worker, 0.0).await;
    assert!(worker.get("/readyz").await.1.contains("\"ok\""));
    worker.stop().await;
}

#[tokio::test]
async fn a_log_made_anew_while_it_is_read_halts_its_partition() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 39)).await;
    line.until_count("orders", 39).await;
    until("the last record is remembered", async || {
        worker.metric("lag_records{partition=\"0\"}").await == 0.0
    })
    .await;
    make_topic_anew(&line).await;
    line.send(0, &sale("b", 65)).await;
    until_halted(&worker, 1.0).await;
    accept_logs(&line, 0).await;
    line.until_count("orders", 104).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_committed_offset_follows_a_position_that_goes_back() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 39)).await;
    let committed = |wanted| {
        let line = &line;
        until("the offset is committed", async move || {
            line.committed(0) == Some(wanted)
        })
    };
    committed(40).await;
    make_topic_anew(&line).await;
    line.send(0, &sale("b", 9)).await;
    until_halted(&worker, 1.0).await;
    until("all of the log lags", async || {
        worker.metric("lag_records{partition=\"0\"}").await == 10.0
    })
    .await;
    accept_logs(&line, 0).await;
    line.until_count("orders", 48).await;
    committed(10).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_partition_that_the_topic_no_longer_has_is_halted() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(2, &sale("a", 9)).await;
    line.until_count("orders", 9).await;
    delete_topic(&line).await;
    make_topic_of(&line, PARTITIONS - 1).await;
    until_halted(&worker, 1.0).await;
    let report = worker.get("/readyz").await.1;
    assert!(
        report.contains("partition 2 is halted: partition_missing: the position is 10"),
        "{report}"
    );

    // Once the topic has it again, it stays halted until it is accepted.
    let partitions = usize::try_from(PARTITIONS).unwrap();
    let more = NewPartitions::new(&line.topic, partitions);
    let grown = line
        .admin()
        .create_partitions([&more], &AdminOptions::new())
        .await;
    grown.unwrap().remove(0).unwrap();
    line.send(2, &sale("b", 9)).await;
    worker.until_ready().await;
    until_halted(&worker, 1.0).await;
    accept_logs(&line, 0).await;
    line.until_count("orders", 18).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_log_made_anew_while_its_partition_is_paused_is_not_read() {
    let line = Line::new().await;
    let worker = line.worker(&["--batch-max-rows=10"]).await;
    line.send(0, &sale("a", 9)).await;
    line.until_count("orders", 9).await;
    let hold = "BEGIN; LOCK TABLE positions, orders, stock_ledger IN ACCESS EXCLUSIVE MODE";
    line.schema.sql.batch_execute(hold).await.unwrap();
    line.send(0, &sale("a", 99)[10..]).await;
    until("the partition is paused", async || {
        worker.metric("backpressure_pauses_total").await >= 1.0
    })
    .await;
    make_topic_anew(&line).await;
    line.send(0, &sale("b", 199)).await;
    line.schema.sql.batch_execute("COMMIT").await.unwrap();
    until_halted(&worker, 1.0).await;
    assert_eq!(line.count("orders WHERE product_id = 'b'").await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_without_its_topic_is_not_ready() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    delete_topic(&line).await;
    until("the worker is not ready", async || {
        let (status, report) = worker.get("/readyz").await;
        status == 503 && report.contains("does not exist")
    })
    .await;
    make_topic(&line).await;
    worker.until_ready().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_log_without_its_last_record_or_its_position_halts() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    for (partition, product) in [(0, "a"), (1, "b"), (2, "c")] {
        line.send(partition, &sale(product, 9)).await;
    }
    line.until_count("orders", 27).await;
    worker.stop().await;
    let other = "UPDATE positions SET last_checksum = last_checksum + 1 WHERE partition = 0";
    let behind = "UPDATE positions SET next_offset = 11, last_next_offset = 11 WHERE partition = 1";
    line.schema.sql.batch_execute(other).await.unwrap();
    line.schema.sql.batch_execute(behind).await.unwrap();
    line.send(2, &sale("e", 9)).await;
    remove_before(&line, 2, 15).await;

    let worker = line.worker(&[]).await;
    until_halted(&worker, 3.0).await;
    let (status, report) = worker.get("/readyz").await;
    assert_eq!(status, 200);
    for reason in [
        "partition 0 is halted: record_differs: the record at offset 9",
        "partition 1 is halted: log_ends_before: the position is 11, the log ends at 10",
        "partition 2 is halted: log_begins_after: the position is 10, the log begins at 15",
    ] {
        assert!(report.contains(reason), "{report}");
    }
    assert_eq!(line.count("orders").await, 27);
    worker.stop().await;
}

#[tokio::test]
async fn a_log_that_begins_behind_the_beginning_and_was_never_read_halts() {
    let line = Line::new().await;
    line.worker(&[]).await.stop().await; // makes the topic
    line.schema
        .sql
        .batch_execute("DELETE FROM positions")
        .await
        .unwrap();
    line.send(0, &sale("a", 9)).await;
    remove_before(&line, 0, 5).await;
    let worker = line.worker(&[]).await;
    until_halted(&worker, 1.0).await;
    let report = worker.get("/readyz").await.1;
    assert!(
        report.contains("the position is 0, the log begins at 5"),
        "{report}"
    );
    accept_logs(&line, 5).await;
    line.until_count("orders", 5).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_log_that_retention_has_shortened_up_to_its_position_is_read_on() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 9)).await;
    line.until_count("orders", 9).await;
    worker.stop().await;
    remove_before(&line, 0, 10).await;
    let worker = line.worker(&[]).await;
    line.send(0, &[order(0, "a", "late", 1, 10)]).await;
    line.until_count("orders", 10).await;
    let shortened = "log_checks_total{outcome=\"shortened\"}";
    assert_eq!(worker.metric(shortened).await, 1.0);
    worker.stop().await;
}

#[tokio::test]
async fn the_last_record_is_read_again_at_a_start_and_not_written_again() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 9)).await;
    line.until_count("orders", 9).await;
    worker.stop().await;
    let worker = line.worker(&[]).await;
    until("its log is found to be the same", async || {
        worker.metric("log_checks_total{outcome=\"same\"}").await == 1.0
    })
    .await;
    line.send(0, &[order(0, "a", "late", 1, 10)]).await;
    line.until_count("orders", 10).await;
    let duplicates = "orders_total{outcome=\"duplicate\"}";
    assert_eq!(worker.metric(duplicates).await, 0.0);
    worker.stop().await;

    // A worker of version 0.2 leaves no mark; the next batch does.
    let as_before = "UPDATE positions SET last_next_offset = 0 WHERE partition = 0";
    line.schema.sql.batch_execute(as_before).await.unwrap();
    let worker = line.worker(&[]).await;
    line.send(0, &[order(0, "a", "later", 1, 11)]).await;
    line.until_count("positions WHERE last_next_offset = 12", 1)
        .await;
    worker.stop().await;
}
