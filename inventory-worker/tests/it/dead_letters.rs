//! Copies of dead letters on their topic.

use fluxgate_domain::batch::Record;
use fluxgate_domain::events::Undecodable;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};

use crate::fixture::until;
use crate::line::Line;

fn garbage(value: &[u8]) -> Record {
    Record::new(0, 0, Some(b"k"), Some(value), Err(Undecodable::MissingType))
}

#[tokio::test]
async fn a_copy_that_its_topic_refuses_is_given_up_and_counted() {
    let line = Line::new().await;
    let name = format!("{}.dlq", line.topic);
    let topic =
        NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "1000");
    let created = line
        .admin()
        .create_topics(&[topic], &AdminOptions::new())
        .await;
    created.unwrap().remove(0).unwrap();
    let worker = line.worker(&[]).await;
    line.send(0, &[garbage(&[b'x'; 5_000]), garbage(b"{")])
        .await;
    line.until_count("dead_letters WHERE copy_due_at IS NULL", 2)
        .await;
    assert_eq!(line.copies(), 1);
    assert_eq!(worker.metric("dead_letter_copies_total").await, 1.0);
    assert_eq!(worker.metric("dead_letter_copy_failures_total").await, 1.0);
    until("none waits", async || {
        let (_, metrics) = worker.get("/metrics").await;
        metrics.contains("inventory_worker_dead_letter_copies_waiting 0")
    })
    .await;
    worker.stop().await;
}
