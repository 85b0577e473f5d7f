//! Gauges whose values come from PostgreSQL.

use crate::fixture::{opening, order, until};
use crate::line::Line;

#[tokio::test]
async fn a_gauge_that_cannot_be_read_from_postgresql_is_absent() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    line.send(0, &[opening(0, "a", 10), order(0, "a", "u", 1, 3)])
        .await;
    until("a gap is shown", async || {
        worker.metric("sequence_gaps").await == 2.0
    })
    .await;
    let sql = &line.schema.sql;
    let revoke = "REVOKE SELECT ON number_series, dead_letters FROM CURRENT_USER";
    sql.batch_execute(revoke).await.unwrap();
    until("no gauge has an old value", async || {
        let (_, metrics) = worker.get("/metrics").await;
        let shown = ["sequence_gaps", "dead_letter_copies_waiting"];
        !shown
            .iter()
            .any(|name| metrics.contains(&format!("\ninventory_worker_{name} ")))
    })
    .await;
    let grant = "GRANT SELECT ON number_series, dead_letters TO CURRENT_USER";
    sql.batch_execute(grant).await.unwrap();
    until("the gap is shown again", async || {
        worker.metric("sequence_gaps").await == 2.0
    })
    .await;
    worker.stop().await;
}
