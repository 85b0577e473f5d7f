//! Orders that have to be paid.

use crate::fixture::{late_completion, opening, order, until};
use crate::line::Line;

#[tokio::test]
async fn an_order_that_was_paid_too_late_gets_its_units_again_or_is_counted() {
    let line = Line::new().await;
    let worker = line.worker(&[]).await;
    let [first, second, third] = [1, 2, 3].map(|n| order(0, "a", &format!("u{n}"), 1, n));
    line.send(0, &[opening(0, "a", 2), first.clone(), second.clone()])
        .await;
    line.send(0, &late_completion(&first, 4)).await;
    let [expiry, completion] = late_completion(&second, 6);
    line.send(0, &[expiry, third, completion]).await;
    until("the last completion is counted", async || {
        worker.metric("paid_without_unit_total").await == 1.0
    })
    .await;
    let orders = async |outcome| {
        let name = format!("orders_total{{outcome=\"{outcome}\"}}");
        worker.metric(&name).await
    };
    assert_eq!(orders("completed").await, 2.0);
    assert_eq!(orders("expired").await, 2.0);
    assert_eq!(orders("confirmed").await, 3.0);
    let statuses = "SELECT status FROM orders ORDER BY sequence";
    let written = line.schema.rows(statuses).await;
    assert_eq!(written, ["completed", "expired", "confirmed"]);
    worker.stop().await;
}
