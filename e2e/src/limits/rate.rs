//! `ordersPerSecond`.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{LimitedSale, Plan};
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};

const PER_SECOND: u32 = 200;
/// A tenth of a second's orders fit in at once.
const BURST: i64 = PER_SECOND as i64 / 10;
/// Of the orders that the rate allows, so many must be taken.
const TAKEN_MIN: f64 = 0.95;

/// Offers more orders than the rate allows, each of a user of its own, and looks at all windows between two orders.
///
/// # Errors
/// When a window has too many orders, all have too few, or the load did not reach its rate.
pub async fn run(sandbox: &Sandbox, plan: &Plan) -> Result<String> {
    let terms = json!({"ordersPerSecond": PER_SECOND});
    let sale = LimitedSale::open(sandbox, terms, &[]).await?;
    let orders = u64::from(plan.offered) * u64::from(plan.seconds);
    let user_of = |number| format!("buyer-{number}");
    let offered = sale.offer(orders, plan.offered, user_of).await?;
    offered.expect_rate(plan.offered)?;

    let placed = sale.placed().await?;
    let times: Vec<i64> = placed.iter().map(|it| it.at.as_millisecond()).collect();
    let rows = times.len() as u64;
    ensure!(rows == offered.taken, "{rows} rows of {offered:?}");
    let end = times[0] + i64::from(plan.seconds) * 1_000;
    let in_time = times.iter().filter(|it| **it < end).count();
    let allowed = PER_SECOND * plan.seconds;
    let excess = excess(&times);
    let table = markdown(
        [
            "orders offered per second",
            "seconds",
            "orders taken in them",
            "of the rate",
            "most above the rate in any window",
        ],
        &[[
            thousands(offered.per_second()),
            plan.seconds.to_string(),
            thousands(in_time as i64),
            format!("{:.3}", in_time as f64 / f64::from(allowed)),
            format!("{:.1}", excess),
        ]],
    );
    let enough = in_time as f64 >= TAKEN_MIN * f64::from(allowed);
    ensure!(enough, "too few orders were taken:\n{table}");
    ensure!(excess <= BURST as f64, "a window has too many:\n{table}");
    Ok(format!(
        "A sale with `ordersPerSecond: {PER_SECOND}`:\n\n{table}"
    ))
}

/// How many orders more than the rate allows are in the window, from one order to another, that has most of them. Times are cut
/// down to milliseconds, so a window may be a millisecond longer than it seems.
fn excess(times: &[i64]) -> f64 {
    let rate_per_ms = f64::from(PER_SECOND) / 1_000.0;
    let mut most = f64::NEG_INFINITY;
    for (n, from) in times.iter().enumerate() {
        for (between, until) in times[n..].iter().enumerate() {
            let allowed = rate_per_ms * (until - from + 1) as f64;
            most = most.max((between + 1) as f64 - allowed);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_with_the_most_orders_above_the_rate_is_found() {
        // One order every five milliseconds is the rate.
        let even: Vec<i64> = (0..1_000).map(|n| 5 * n).collect();
        assert!((excess(&even) - 0.8).abs() < 1e-9);
        let mut burst = even.clone();
        burst.extend([2_001; 21]);
        burst.sort_unstable();
        // From 2,000 to 2,005 ms are 23 orders, and the rate allows 1.2.
        assert!((excess(&burst) - 21.8).abs() < 1e-9, "{}", excess(&burst));
    }
}
