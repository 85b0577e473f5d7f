use fluxgate_domain::batch::Record;

use crate::fixture::{opening, order, until};
use crate::line::TransactionEnd::{Abort, Commit};
use crate::line::{Line, Running};

/// Orders of sale `a` with these numbers, each from another user.
fn orders(numbers: std::ops::RangeInclusive<u32>) -> Vec<Record> {
    let order = |n| order(0, "a", &format!("u{n}"), 1, n);
    numbers.map(order).collect()
}

/// Waits until the position of partition 0 is the end of its log, and so its lag 0.
async fn until_read_to_the_end(line: &Line, worker: &Running) {
    let position = || async {
        let select = "SELECT next_offset::text FROM positions WHERE partition = 0";
        line.schema.rows(select).await
    };
    let end = line.end(0).to_string();
    until("everything up to the end of the log is read", async || {
        position().await == [end.as_str()]
    })
    .await;
    until("no lag is shown", async || {
        let (_, metrics) = worker.get("/metrics").await;
        metrics.contains("lag_records{partition=\"0\"} 0")
    })
    .await;
}

#[tokio::test]
async fn transaction_markers_in_the_middle_of_a_batch_hold_up_nothing() {
    let line = Line::new().await;
    let worker = line.worker(&["--batch-max-age-ms=200"]).await;
    let producer = line.transactional_producer();
    line.send_in_transaction(&producer, 0, &[opening(0, "a", 2_000)], Commit)
        .await;
    let orders = orders(1..=1_460);
    for (number, some) in orders.chunks(100).enumerate() {
        if number == 5 {
            let aborted = [order(0, "a", "nobody", 1, 1_999)];
            line.send_in_transaction(&producer, 0, &aborted, Abort)
                .await;
        }
        line.send_in_transaction(&producer, 0, some, Commit).await;
    }
    line.until_count("orders", 1_460).await;
    until_read_to_the_end(&line, &worker).await;
    assert!(worker.metric("offset_gaps_total").await >= 16.0);
    assert_eq!(line.count("orders WHERE user_id = 'nobody'").await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_partition_without_a_single_record_is_read_to_its_end() {
    let line = Line::new().await;
    line.worker(&[]).await.stop().await; // makes the topic
    let producer = line.transactional_producer();
    for user in ["u1", "u2"] {
        line.send_in_transaction(&producer, 0, &[order(0, "a", user, 1, 1)], Abort)
            .await;
    }
    let worker = line.worker(&[]).await;
    until_read_to_the_end(&line, &worker).await;
    assert_eq!(line.count("orders").await, 0);
    worker.stop().await;
}
