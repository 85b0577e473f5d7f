//! Short versions of `make limits`.

use anyhow::Result;
use clap::Parser;
use e2e::limits::{Plan, invented, rate, windows};
use e2e::sandbox::Sandbox;

use crate::fixture::in_a_sandbox;

fn short(part: impl AsyncFnOnce(&Sandbox, &Plan) -> Result<String>) {
    let plan = "limits --seconds 10 --offered 1500 --users 50000";
    let plan = Plan::try_parse_from(plan.split(' ')).expect("a plan");
    in_a_sandbox(async |sandbox| {
        println!("{}", part(sandbox, &plan).await?);
        Ok(())
    });
}

#[test]
fn four_instances_take_no_more_orders_in_any_window_than_the_sale_allows() {
    short(async |sandbox, plan| rate::run(sandbox, plan).await);
}

#[test]
fn four_instances_take_exactly_as_many_orders_of_a_user_in_a_window_as_the_sale_allows() {
    short(async |sandbox, plan| windows::run(sandbox, plan).await);
}

#[test]
fn users_whose_orders_are_not_taken_leave_nothing_in_redis() {
    short(async |sandbox, plan| invented::run(sandbox, plan).await);
}
