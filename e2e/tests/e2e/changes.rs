use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::checker::violations;
use e2e::client::ADMIN_TOKEN;
use e2e::exchange::Request;
use e2e::load::caller::Caller;
use e2e::load::once;
use e2e::load::recorder::Recorder;
use e2e::order::Action;
use e2e::wait::wait_until;
use fluxgate_domain::ids::OrderId;
use futures_util::future::try_join_all;

use crate::fixture::{WRITE_LIMIT, crowd, in_a_sandbox, open_sales, workers};

const TOTAL: u32 = 2_000;
const CANCELS: u32 = 400;
const RESTOCKS: u32 = 3;
const RESTOCKED: u32 = 200;
/// More than all units, those that come back included.
const BUYERS: u32 = 6_000;
const CHANGE_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn units_come_back_once_whatever_is_killed_meanwhile() {
    in_a_sandbox(async |sandbox| {
        let (mut victim, survivor) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let [mut worker, _other] = workers(sandbox).await?;
        let sales = open_sales(&survivor, 1, TOTAL).await?;
        let player = crowd(64, &[&victim, &survivor]);

        let mut history = player.play(&sales, once(0..1, 0..CANCELS)).await?;
        let to_cancel: Vec<OrderId> = history.order_ids().collect();
        ensure!(to_cancel.len() == CANCELS as usize, "{to_cancel:?}");

        // The crowd, and with it all changes twice, through both instances, while one of each kind dies.
        let caller = player.caller(ADMIN_TOKEN, &sales, Recorder::new(Instant::now()))?;
        let running = player.start_with(&caller, once(0..1, CANCELS..BUYERS));
        let changes = [0, 1].map(|instance| change_all(&caller, instance, &to_cancel));
        let kills = async {
            running.answered(u64::from(BUYERS / 4)).await?;
            victim.kill()?;
            worker.kill()?;
            victim.restart().await
        };
        let (changed, killed) = tokio::join!(try_join_all(changes), kills);
        killed?;
        changed?;
        history.extend(running.finish().await?)?;

        // What came back after the last of them was refused is for these.
        let late = once(0..1, BUYERS..BUYERS + 2 * CANCELS + 1_000);
        history.extend(player.play(&sales, late).await?)?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let contents = sandbox.stores.contents(&sales[0]).await?;
        let found = violations(history.of_sale(0), &contents);
        ensure!(found.is_empty(), "{found:#?}");
        let remaining = contents.redis.map(|it| it.remaining);
        ensure!(remaining == Some(0), "{remaining:?} units remain");
        Ok(())
    });
}

/// Cancels and restocks, each until it is done. Another task sends all of them, too.
async fn change_all(caller: &Caller, instance: u32, to_cancel: &[OrderId]) -> Result<()> {
    let cancels = to_cancel.iter().copied().map(Action::Cancel);
    let units = RESTOCKED;
    let restocks = (0..RESTOCKS).map(|number| Action::Restock { number, units });
    let all: Vec<_> = cancels.chain(restocks).collect();
    for few in all.chunks(20) {
        let changes = few.iter().map(async |&action| {
            let request = Request { sale: 0, action };
            wait_until("a change is done", CHANGE_LIMIT, async || {
                let response = caller.ask(instance, request).await;
                ensure!(response.is_done(), "{action:?}: {response:?}");
                Ok(())
            })
            .await
        });
        try_join_all(changes).await?;
    }
    Ok(())
}
