//! `ordersPerUser`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{LimitedSale, Plan};
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};

const ORDERS: usize = 3;
const WINDOW_MS: i64 = 2_000;
const USERS: u64 = 200;
/// A user tries so often that the next window begins soon after the end of the last one.
const PAUSE_MAX_MS: i64 = 1_000;

/// Lets each of a few users try to order again and again, at all instances, and looks at each user's windows.
///
/// # Errors
/// When a window has another number of orders than the limit, or begins late, or the load did not reach its rate.
pub async fn run(sandbox: &Sandbox, plan: &Plan) -> Result<String> {
    let limit = format!("{ORDERS}/{}", WINDOW_MS / 1_000);
    let terms = json!({"ordersPerUser": limit});
    let sale = LimitedSale::open(sandbox, terms, &[]).await?;
    let orders = u64::from(plan.offered) * u64::from(plan.seconds);
    // A user's next order goes to another instance.
    let user_of = |number| format!("user-{}", number / 4 % USERS);
    let offered = sale.offer(orders, plan.offered, user_of).await?;
    offered.expect_rate(plan.offered)?;

    let mut of_users: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for placed in sale.placed().await? {
        let times = of_users.entry(placed.user).or_default();
        times.push(placed.at.as_millisecond());
    }
    let rows: usize = of_users.values().map(Vec::len).sum();
    ensure!(rows as u64 == offered.taken, "{rows} rows of {offered:?}");
    ensure!(of_users.len() as u64 == USERS, "{} users", of_users.len());
    let mut complete = 0;
    for (user, times) in &of_users {
        let windows = windows(times);
        let is_right = is_exact(&windows) && begin_soon(&windows);
        ensure!(is_right, "{user} has placed orders at {times:?} ms");
        complete += windows.len() - 1;
    }
    let table = markdown(
        [
            "tries per second",
            "seconds",
            "users",
            "windows that ended",
            "orders in each of them",
            "orders taken",
        ],
        &[[
            thousands(offered.per_second()),
            plan.seconds.to_string(),
            USERS.to_string(),
            thousands(complete as i64),
            ORDERS.to_string(),
            thousands(rows as i64),
        ]],
    );
    Ok(format!("A sale with `ordersPerUser: {limit}`:\n\n{table}"))
}

/// The times of a user's orders, by window: one begins with the first order, the next with the first order after it.
fn windows(times: &[i64]) -> Vec<Vec<i64>> {
    let mut windows: Vec<Vec<i64>> = Vec::new();
    for time in times {
        match windows.last_mut() {
            Some(window) if *time < window[0] + WINDOW_MS => window.push(*time),
            _ => windows.push(vec![*time]),
        }
    }
    windows
}

/// Whether each window has as many orders as the limit; the last one, which the end of the load may have cut, at most.
fn is_exact(windows: &[Vec<i64>]) -> bool {
    let (last, ended) = windows.split_last().expect("a user has an order");
    ended.iter().all(|window| window.len() == ORDERS) && last.len() <= ORDERS
}

fn begin_soon(windows: &[Vec<i64>]) -> bool {
    let pairs = windows.windows(2);
    let mut pauses = pairs.map(|pair| pair[1][0] - pair[0][0] - WINDOW_MS);
    windows.len() > 1 && pauses.all(|pause| pause <= PAUSE_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_with_another_number_of_orders_is_found() {
        for (times, exact, soon) in [
            (&[0, 1, 1_999, 2_000, 2_001][..], true, true),
            (&[0, 1, 1_999, 1_999, 2_000], false, true),
            (&[0, 1, 2_000], false, true),
            (&[0, 1, 2, 3_001], true, false),
            (&[0, 1, 2], true, false),
            (&[0, 1, 2, 2_000, 2_001, 2_002, 2_003], false, true),
        ] {
            let windows = windows(times);
            let found = (is_exact(&windows), begin_soon(&windows));
            assert_eq!(found, (exact, soon), "{times:?}");
        }
    }
}
