//! A crowd of users whom nobody knows, each of whom tries once.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{INSTANCES, LimitedSale, Plan};
use crate::memory::memory_kib;
use crate::sandbox::Sandbox;
use crate::stores::sale_keys;
use crate::table::{markdown, thousands};

/// As fast as the connections allow.
const OFFERED_MAX: u32 = 50_000;
/// What is allocated once, however many users come, is there after so many.
const FIRST_USERS: u64 = 20_000;
/// What the other users may add to an instance: RATE_LIMIT_KEYS_MAX places of 17 bytes are 3.2 MiB; the rest is the allocator's.
const INSTANCE_KIB: i64 = 12 * 1_024;
/// What an order that was taken may add to Redis: its record, its user's window, its outbox entry.
const ORDER_BYTES: i64 = 1_024;
/// Buffers of connections.
const REDIS_BYTES: i64 = 4 * 1_024 * 1_024;

/// Lets invented users try to order in a sale with all limits, which refuses most of them, and measures memory.
///
/// # Errors
/// When the instances or Redis grew by more than their bounds, or the users hash has users whose orders were not taken.
pub async fn run(sandbox: &Sandbox, plan: &Plan) -> Result<String> {
    let terms = json!({"ordersPerSecond": 200, "ordersPerUser": "1/600"});
    let limit = [("RATE_LIMIT_PER_USER", "20/1s")];
    let sale = LimitedSale::open(sandbox, terms, &limit).await?;
    let first = sale.offer(FIRST_USERS, OFFERED_MAX, |number| format!("early-{number}"));
    let first = first.await?;
    let before = sale.memory().await?;
    let users = u64::from(plan.users);
    let user_of = |number| format!("invented-{number}");
    // Keys of the first users are not used again: the users differ.
    let offered = sale.offer(users, OFFERED_MAX, user_of).await?;
    let after = sale.memory().await?;

    let placed = sale.placed().await?.into_iter();
    let buyers: BTreeSet<String> = placed.map(|it| it.user).collect();
    let taken = first.taken + offered.taken;
    ensure!(buyers.len() as u64 == taken, "{} buyers", buyers.len());
    // And the placeholder.
    let fields = sale.fields_of_users().await?;
    ensure!(fields == taken + 1, "{fields} fields for {taken} orders");

    let grown = before.instances_kib.iter().zip(&after.instances_kib);
    let grown: Vec<i64> = grown.map(|(from, to)| to - from).collect();
    let redis = after.redis_bytes - before.redis_bytes;
    let each: Vec<_> = grown.iter().map(|it| thousands(*it)).collect();
    let table = markdown(
        [
            "invented users",
            "tries per second",
            "orders taken",
            "each instance grew by, KiB",
            "Redis grew by, KiB",
            "bytes per order taken",
        ],
        &[[
            thousands(users as i64),
            thousands(offered.per_second()),
            thousands(offered.taken as i64),
            each.join("; "),
            thousands(redis / 1_024),
            (redis / offered.taken.max(1) as i64).to_string(),
        ]],
    );
    let small = grown.iter().all(|kib| *kib <= INSTANCE_KIB);
    ensure!(small, "an instance grew too much:\n{table}");
    let allowed = REDIS_BYTES + offered.taken as i64 * ORDER_BYTES;
    ensure!(redis <= allowed, "Redis grew too much:\n{table}");
    Ok(format!(
        "A sale with `ordersPerSecond: 200` and `ordersPerUser: 1/600`; {INSTANCES} instances with `RATE_LIMIT_PER_USER=20/1s`:\n\n{table}"
    ))
}

struct Memory {
    instances_kib: Vec<i64>,
    redis_bytes: i64,
}

impl LimitedSale<'_> {
    async fn memory(&self) -> Result<Memory> {
        // Acknowledged entries have left the outbox.
        self.placed().await?;
        let resident = |it: &crate::process::Process| memory_kib(it.pid(), "VmRSS:");
        let instances = self.instances.iter().map(resident);
        let info: String = self.redis(&["INFO", "memory"]).await?;
        let used = info.lines().find_map(|it| it.strip_prefix("used_memory:"));
        Ok(Memory {
            instances_kib: instances
                .map(|kib| Ok(kib? as i64))
                .collect::<Result<_>>()?,
            redis_bytes: used.context("no used_memory")?.trim().parse()?,
        })
    }

    async fn fields_of_users(&self) -> Result<u64> {
        let [.., users] = sale_keys(&self.sale.product, 0);
        let fields: Vec<String> = self.redis(&["HKEYS", &users]).await?;
        Ok(fields.len() as u64)
    }

    async fn redis<T: fred::types::FromValue>(&self, words: &[&str]) -> Result<T> {
        self.sandbox.stores.redis.command(words).await
    }
}
