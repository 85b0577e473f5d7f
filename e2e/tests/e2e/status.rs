use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::answer::Status;
use e2e::client::Client;
use e2e::history::History;
use e2e::order::{Order, Sale};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const BUYERS: usize = 150;
const CONFIRM_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn an_order_is_followed_to_confirmed_on_any_copy_and_never_goes_back() {
    in_a_sandbox(async |sandbox| {
        let (one, other) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let _workers = (sandbox.worker().await?, sandbox.worker().await?);
        let copies = [one.client()?, other.client()?];
        let sale = Sale::unique("status", 1_000)?;
        copies[0].open(&sale).await?;

        let follow = |buyer| follow(&copies, buyer, sale.order_of(buyer));
        let answers = try_join_all((0..BUYERS).map(follow)).await?;
        sandbox
            .stores
            .expect_right(&[sale], &History::new(answers), WRITE_LIMIT)
            .await
    });
}

/// Orders on one copy and asks both in turn until both say `confirmed`.
async fn follow(copies: &[Client; 2], buyer: usize, order: Order) -> Result<e2e::answer::Answer> {
    let answer = copies[buyer % 2].order(&order).await;
    let id = answer
        .outcome
        .order_id()
        .with_context(|| format!("{answer:?}"))?;
    let deadline = Instant::now() + CONFIRM_LIMIT;
    let (mut furthest, mut confirmed) = (Status::Reserved, [false; 2]);
    for turn in buyer.. {
        let copy = turn % 2;
        let status = copies[copy].status(id).await?;
        let back = status.rank() < furthest.rank();
        ensure!(
            !back,
            "order {id} went back from {furthest:?} to {status:?} on copy {copy}"
        );
        furthest = status;
        confirmed[copy] = status == Status::Confirmed;
        if confirmed == [true, true] {
            break;
        }
        if Instant::now() > deadline {
            bail!("order {id} is still {furthest:?} after {CONFIRM_LIMIT:?}");
        }
        // Between two looks of one buyer, so that 150 of them leave the services some time.
        sleep(Duration::from_millis(10)).await;
    }
    Ok(answer)
}
