use std::time::Duration;

use fluxgate_ledger::Ledger;
use inventory_worker::migrate::migrate;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::fixture::until;
use crate::line::{Line, PARTITIONS};

type Admin = AdminClient<DefaultClientContext>;

async fn setting(admin: &Admin, topic: &str, name: &str) -> String {
    let topics = [ResourceSpecifier::Topic(topic)];
    let answer = admin.describe_configs(&topics, &AdminOptions::new());
    let topic = answer.await.unwrap().remove(0).unwrap();
    topic.get(name).unwrap().value.clone().unwrap()
}

#[tokio::test]
async fn a_compacted_topic_is_refused_until_migrate_stops_the_compaction() {
    let line = Line::new().await;
    let admin = line.admin();
    let topic = NewTopic::new(&line.topic, PARTITIONS, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("segment.bytes", "10485760");
    let created = admin.create_topics(&[topic], &AdminOptions::new()).await;
    created.unwrap().remove(0).unwrap();

    let worker = line.start_worker(&["--migrate-on-start=off"]);
    until("the worker refuses the topic", async || {
        let (status, report) = worker.get("/readyz").await;
        status == 503 && report.contains("cleanup.policy compact")
    })
    .await;

    let config = line.config(&[]);
    let postgres = &config.database.postgres;
    let ledger = Ledger::connect(postgres, "test", 1, Duration::from_secs(5)).unwrap();
    migrate(&config, &ledger).await.unwrap();
    for (name, value) in [
        ("cleanup.policy", "delete"),
        ("segment.bytes", "10485760"),
        ("retention.ms", "-1"),
    ] {
        assert_eq!(setting(&admin, &line.topic, name).await, value, "{name}");
    }
    worker.until_ready().await;
    worker.stop().await;
}
