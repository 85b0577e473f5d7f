//! Connections to Kafka break while a log is read.

use std::time::Duration;

use crate::fixture::sale;
use crate::line::Line;
use crate::logs::{make_topic_anew, until_halted};
use crate::proxy::{Proxy, kafka_behind_proxy};

/// A worker looks once a second whether a read has failed.
const NOTICE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_log_made_anew_during_an_outage_is_not_read() {
    let mut line = Line::new().await;
    line.kafka_of_workers = kafka_behind_proxy();
    let proxy = Proxy::start().await;
    let worker = line.worker(&[]).await;
    line.send(0, &sale("a", 39)).await;
    line.until_count("orders", 39).await;
    drop(proxy);
    make_topic_anew(&line).await;
    line.send(0, &sale("b", 65)).await;
    tokio::time::sleep(NOTICE).await;
    let _proxy = Proxy::start().await;
    until_halted(&worker, 1.0).await;
    assert_eq!(line.count("orders WHERE product_id = 'b'").await, 0);
    worker.stop().await;
}
