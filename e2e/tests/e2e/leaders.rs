//! A partition gets another leader while it is read.

use std::slice::from_ref;

use anyhow::ensure;
use e2e::stack::Store;
use e2e::stores::move_partition;
use e2e::wait::wait_until;
use fluxgate_domain::partition;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox, open_sales};
use crate::reconciler::{expect_rows, play};

/// The default of KAFKA_PARTITIONS.
const PARTITIONS: i32 = 12;
const SECOND_BROKER: i32 = 2;

#[test]
fn a_worker_looks_at_a_log_again_when_its_leader_changes() {
    in_a_sandbox(async |sandbox| {
        let (api, worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sale = open_sales(&api, 1, 300).await?.remove(0);
        play(&api, &sale, 0..100).await?;
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        let looked = r#"inventory_worker_log_checks_total{outcome="same"}"#;
        let before = worker.metric(looked).await?;

        let stack = &sandbox.stack;
        stack.bring_back(Store::Kafka2).await?;
        let (kafka, topic) = (&stack.kafka_brokers, sandbox.stores.topic.name());
        let partition = partition::of(&sale.product, PARTITIONS);
        move_partition(kafka, topic, partition, SECOND_BROKER).await?;
        wait_until("the worker has looked again", WRITE_LIMIT, async || {
            let now = worker.metric(looked).await?;
            ensure!(now > before, "the log was looked at {now} times");
            Ok(())
        })
        .await?;
        play(&api, &sale, 100..200).await?;
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        expect_rows(sandbox, &sale, 200, 0).await?;
        stack.shut_down(Store::Kafka2).await
    });
}
