use std::slice::from_ref;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::answer::Refusal;
use e2e::memory::memory_kib;
use e2e::order::Sale;
use e2e::process::Process;
use e2e::program::Program;
use e2e::sandbox::Sandbox;
use e2e::stores::sale_keys;
use e2e::wait::wait_until;
use fluxgate_domain::ids::{OrderId, Tag};
use tokio::time::sleep;

use crate::fixture::{WRITE_LIMIT, expect_refused, in_a_sandbox, open_sales};

const ORDERS: u32 = 1_000_000;
/// What the orders may add to an idle instance: 8 bytes each, and the pages that they are read from.
const INSTANCE_KIB: u64 = 16 * 1_024;
/// The reconciler's, for one sale of a million orders.
const RECONCILER_KIB: u64 = 256 * 1_024;

/// Orders of the sale: from number ARGV[3] to ARGV[4].
const FILL: &str = "
    for n = tonumber(ARGV[3]), tonumber(ARGV[4]) do
      redis.call('HSET', KEYS[2], ARGV[1] .. string.format('%012x', n), string.format('1-%d ', n) .. ARGV[2] .. ' 1 user-' .. n)
    end
    redis.call('HSET', KEYS[1], 'seq', ARGV[4], 'remaining', redis.call('HGET', KEYS[1], 'total') - ARGV[4])";

#[test]
fn a_sold_out_sale_of_a_million_orders_fits_into_small_processes() {
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let small = open_sales(&api, 1, 1).await?.remove(0);
        let sale = open_sales(&api, 1, ORDERS).await?.remove(0);
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        fill(sandbox, &sale).await?;

        // The code of the whole path is in memory.
        ensure!(api.client()?.order(&small, 1).await.order().is_some());
        refuse_from_memory(&api, &small).await?;
        let idle = memory_kib(api.pid(), "VmRSS:")?;
        refuse_from_memory(&api, &sale).await?;
        let more = memory_kib(api.pid(), "VmHWM:")?.saturating_sub(idle);
        ensure!(more <= INSTANCE_KIB, "the orders took {more} KiB");
        for (arguments, text) in [
            (["audit", sale.product.as_str()], "right"),
            (
                ["rebuild", sale.product.as_str()],
                "1000000 orders restored",
            ),
            (["audit", sale.product.as_str()], "right"),
        ] {
            let peak = peak_of_reconciler(sandbox, &arguments, text).await?;
            ensure!(peak <= RECONCILER_KIB, "{arguments:?} took {peak} KiB");
        }
        Ok(())
    });
}

/// Sells the whole stock, in both stores.
async fn fill(sandbox: &Sandbox, sale: &Sale) -> Result<()> {
    let redis = &sandbox.stores.redis;
    let sale_key = &sale_keys(&sale.product, 0)[0];
    let opens_at: String = redis.command(&["HGET", sale_key, "opens_at"]).await?;
    let keys = sale_keys(&sale.product, opens_at.parse()?);
    let [lowest, _] = OrderId::bounds(Tag::of(&sale.product), opens_at.parse()?);
    let lowest = lowest.to_string();
    let prefix = &lowest[..lowest.len() - 12];
    for first in (1..=ORDERS).step_by(10_000) {
        let [first, last] = [first, first + 9_999].map(|it| it.to_string());
        let words = ["EVAL", FILL, "2", &keys[0], &keys[1]];
        let arguments = [prefix, &opens_at, &first, &last];
        let _: Option<String> = redis
            .command(&[&words[..], &arguments[..]].concat())
            .await?;
    }
    let product = &sale.product;
    let rows = format!(
        "INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at)
             SELECT ('{prefix}' || lpad(to_hex(n), 12, '0'))::uuid, '{product}', 'user-' || n, 1, 1, n,
                 'confirmed', now() FROM generate_series(1, {ORDERS}) n;
         UPDATE stock_ledger SET sold = {ORDERS} WHERE product_id = '{product}';
         UPDATE number_series SET last_sequence = {ORDERS}, written = {ORDERS} WHERE product_id = '{product}';"
    );
    sandbox.stores.postgres.execute(&rows).await
}

/// Orders until a refusal comes from memory, which takes reading all orders.
async fn refuse_from_memory(api: &Process, sale: &Sale) -> Result<()> {
    let client = api.client()?;
    let refused = "ingest_api_refused_from_memory_total";
    let before = api.metric(refused).await?;
    wait_until("an order is refused from memory", WRITE_LIMIT, async || {
        expect_refused(&client, sale, 0, Refusal::SoldOut).await?;
        let after = api.metric(refused).await?;
        ensure!(after > before, "all refusals come from Redis");
        Ok(())
    })
    .await
}

/// Runs the reconciler, which must end with code 0 and print this text; returns its peak memory in KiB.
async fn peak_of_reconciler(sandbox: &Sandbox, arguments: &[&str], text: &str) -> Result<u64> {
    let program = Program::Reconciler.path()?;
    let mut run = sandbox.launch(&program, arguments, sandbox.settings())?;
    let mut peak = 0;
    let status = loop {
        // When it has ended, it has no memory left.
        peak = memory_kib(run.pid(), "VmHWM:").unwrap_or(peak);
        match run.has_ended()? {
            Some(status) => break status,
            None => sleep(Duration::from_millis(20)).await,
        }
    };
    let output = run.output()?;
    let is_right = status.success() && output.contains(text);
    ensure!(is_right, "{arguments:?}: {status}\n{output}");
    Ok(peak)
}
