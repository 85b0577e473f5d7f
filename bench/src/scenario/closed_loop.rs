//! Closed loops: as many requests as a number of connections can send one after the other.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, Scenario, sampled, told};
use crate::lab::{KNOWN, KNOWN_ORDERS};
use crate::load::{Requests, closed, order_id};
use crate::measure::Measurement;

/// Orders to place beforehand, per second of the measurement: more than can be requested in that time.
const REPLAYS_PER_SECOND: u32 = 80_000;
const STATUSES_PER_SECOND: u32 = 30_000;
/// The maximum number of orders to place; if they do not suffice, the measurement ends early.
const ONCE_MAX: u32 = 2_000_000;

/// What the connections request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedLoop {
    /// New orders, to the bare handler.
    Bare,
    /// New orders that are all accepted.
    Accept,
    /// New orders of a sale that is sold out.
    SoldOut,
    /// A few orders that were accepted before, repeatedly.
    Replay,
    /// Many orders that were accepted before and are written, each once.
    ReplayOnce,
    /// New orders: one in a hundred is accepted, the others are for a sale that is sold out.
    Mixed,
    /// The status of a few orders, repeatedly.
    Status,
    /// The status of many orders that are written, each once.
    StatusOnce,
    /// `GET /products/{id}` of one sale.
    Product,
}

impl ClosedLoop {
    pub async fn measure(self, scenario: &Scenario, bench: &Bench<'_>) -> Result<Measurement> {
        let side = bench.side();
        let address = match self {
            Self::Bare => side.bare.address,
            _ => side.api.address,
        };
        let limit = (Duration::from_secs(bench.seconds().into()), u64::MAX);
        let requests = self.prepare(&scenario.unique(bench.round), bench).await?;
        let load = closed((address, scenario.label.parse()?), limit, requests);
        let answered = sampled(&bench.watched()?, load).await?;
        Ok(told(answered, bench.empty(scenario.name, &scenario.label)))
    }

    async fn prepare(self, unique: &str, bench: &Bench<'_>) -> Result<Requests> {
        let side = bench.side();
        if matches!(self, Self::Accept | Self::Mixed) {
            side.open_sale(unique).await?;
        }
        Ok(match self {
            Self::Bare | Self::Accept => Requests::orders(unique, unique),
            Self::Mixed => Requests::mixed(unique, unique),
            Self::SoldOut => Requests::sold_out(unique),
            Self::Product => Requests::product(KNOWN),
            Self::Replay => Requests::replays(KNOWN, KNOWN_ORDERS, false),
            Self::Status => statuses(KNOWN, side.known_opened_at, KNOWN_ORDERS, false)?,
            Self::ReplayOnce => {
                let (_, count) = prepare_once(bench, unique, REPLAYS_PER_SECOND).await?;
                Requests::replays(unique, count, true)
            }
            Self::StatusOnce => {
                let (opened_at, count) = prepare_once(bench, unique, STATUSES_PER_SECOND).await?;
                statuses(unique, opened_at, count, true)?
            }
        })
    }
}

/// Opens a sale and places this many orders; returns when they are written.
async fn prepare_once(
    bench: &Bench<'_>,
    product: &str,
    per_second: u32,
) -> Result<(jiff::Timestamp, u64)> {
    let (side, count) = (bench.side(), (per_second * bench.seconds()).min(ONCE_MAX));
    let opened_at = side.open_sale(product).await?;
    side.place(Requests::known(product), count.into()).await?;
    side.everything_is_written().await?;
    Ok((opened_at, count.into()))
}

fn statuses(product: &str, opened_at: jiff::Timestamp, count: u64, once: bool) -> Result<Requests> {
    let ids = (0..count).map(|n| Ok(order_id(product, opened_at, n)?.to_string()));
    let ids = ids.collect::<Result<_>>()?;
    Ok(Requests::statuses(ids, once))
}
