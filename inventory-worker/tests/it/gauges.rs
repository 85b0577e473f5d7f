//! Gauges whose values come from PostgreSQL.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::fixture::{opening, order, sale, until};
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

/// The probe of the database succeeds meanwhile, so nothing else tells why the gauge is absent.
#[tokio::test]
async fn a_read_that_fails_alone_is_a_warning() {
    let line = Line::new().await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_inventory-worker"));
    let program = program.env_clear().args(line.arguments(&[]));
    let mut worker = program.stderr(Stdio::piped()).spawn().unwrap();
    // A worker without a right that it needs does not start.
    line.send(0, &sale("a", 1)).await;
    line.until_count("orders", 1).await;
    let revoke = "REVOKE SELECT ON sale_changes FROM CURRENT_USER";
    line.schema.sql.batch_execute(revoke).await.unwrap();
    let lines = BufReader::new(worker.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let warning = spawn_blocking(move || lines.find(|line| line.contains("count sequence gaps")));
    let warning = timeout(Duration::from_secs(30), warning).await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    let warning = warning.expect("the worker logs it").unwrap().unwrap();
    assert!(warning.contains("WARN"), "{warning}");
}
