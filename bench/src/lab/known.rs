use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use jiff::Timestamp;

use super::{Lab, SOLD_OUT};
use crate::load::constant::{self, Schedule};
use crate::load::request;

const ORDERS: u64 = 10_000;
const PER_SECOND: u32 = 5_000;

/// Orders that were accepted before: for replays, and for those who ask how far they are.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub product: &'static str,
    pub count: u64,
    /// Their ids, one in each line.
    pub ids: PathBuf,
}

impl Known {
    pub(super) async fn sell(lab: &Lab) -> Result<Self> {
        let product = "known";
        let opened_at = lab.open_sale(product).await?;
        order(lab, product, ORDERS).await?;
        let ids = lab.folder.join("known-orders");
        let lines: Result<Vec<_>> = (0..ORDERS).map(|n| id(product, opened_at, n)).collect();
        fs::write(&ids, lines?.join("\n") + "\n")?;
        Ok(Self {
            product,
            count: ORDERS,
            ids,
        })
    }
}

/// Leaves nothing of [`SOLD_OUT`].
pub(super) async fn sell_out(lab: &Lab) -> Result<()> {
    let units = 1_000;
    lab.open_sale_of(SOLD_OUT, units).await?;
    order(lab, SOLD_OUT, units.into()).await
}

async fn order(lab: &Lab, product: &'static str, count: u64) -> Result<()> {
    let address = lab.api_address()?;
    let schedule = Schedule {
        count,
        ..constant::soon(PER_SECOND, 1)
    };
    let sent = constant::send(address, schedule, move |n| {
        request::order(address, product, &user(n), &key(n))
    });
    for sent in sent.await? {
        let (number, status) = (sent.number, sent.status);
        ensure!(
            status == Some(202),
            "order {number} of {product}: {status:?}"
        );
    }
    Ok(())
}

// As in bench/wrk/replay.lua.
fn user(number: u64) -> String {
    format!("user-{number}")
}

fn key(number: u64) -> String {
    format!("known-{number}")
}

fn id(product: &str, opened_at: Timestamp, number: u64) -> Result<String> {
    let product = ProductId::parse(product)?;
    let user = UserId::parse(&user(number))?;
    let key = IdempotencyKey::parse(&key(number))?;
    let opened_at = opened_at.as_millisecond();
    let id = OrderId::derive(&product, Tag::of(&product), opened_at, &user, &key);
    Ok(id.to_string())
}
