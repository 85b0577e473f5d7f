//! What only Kafka can do.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt;
use tokio::time::sleep;

use super::pause::{PAUSE, pause_store};
use super::{Row, Setup, row};
use crate::faults::drivers::Rates;
use crate::faults::stage::Stage;
use crate::faults::topic::Topic;
use crate::stack::Store;

/// How long services run without a topic.
const WITHOUT: Duration = Duration::from_secs(4);
/// How long no event is small enough.
const TOO_SMALL: Duration = Duration::from_secs(4);

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            setup: Setup {
                settings: &[("MIGRATE_ON_START", "off")],
                starts_ready: false,
                ..Setup::default()
            },
            ..row(
                "kafka-topic-missing",
                "services start 4 s before topic and tables exist",
                |stage| late_topic(stage).boxed_local(),
            )
        },
        row(
            "kafka-message-too-large",
            "the topic takes no message above 200 bytes for 4 s",
            |stage| {
                async {
                    let topic = Topic::of(&stage.sandbox)?;
                    topic.allow_bytes(200).await?;
                    stage.mark("200 bytes");
                    sleep(TOO_SMALL).await;
                    topic.allow_bytes(1_000_000).await
                }
                .boxed_local()
            },
        ),
        row(
            "kafka-partitions",
            "the topic grows from 12 to 24 partitions during the sale",
            |stage| {
                async {
                    Topic::of(&stage.sandbox)?.grow_to(24).await?;
                    stage.mark("24 partitions");
                    // Seen by everybody at their next look, every 5 s.
                    sleep(Duration::from_secs(6)).await;
                    Ok(())
                }
                .boxed_local()
            },
        ),
        Row {
            setup: Setup {
                rates: Rates {
                    cancels: 50,
                    restocks: 10,
                    ..Rates::default()
                },
                ..Setup::default()
            },
            ..row(
                "late-changes",
                "many cancels and restocks while Kafka is frozen for 8 s",
                |stage| pause_store(stage, Store::Kafka, PAUSE).boxed_local(),
            )
        },
    ]
}

/// One more worker, with the usual settings, makes topic and tables when it starts.
async fn late_topic(stage: &mut Stage) -> Result<()> {
    sleep(WITHOUT).await;
    stage.add_worker(2, &Setup::default())?;
    for service in stage.workers.iter_mut().chain(&mut stage.apis) {
        service.ready().await?;
    }
    stage.mark("all ready");
    Ok(())
}
