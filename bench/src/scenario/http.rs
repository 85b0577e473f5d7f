//! HTTP requests: closed loops, and a constant rate.

use anyhow::Result;
use jiff::Timestamp;

use super::Bench;
use super::bench::told;
use crate::lab::{KNOWN, KNOWN_ORDERS};
use crate::load::{Requests, SOLD_OUT, Want, constant, order_id, soon};
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
    pub async fn measure(self, bench: &Bench<'_>) -> Result<Measurement> {
        let service = match self {
            Self::Bare => &bench.side.bare,
            _ => &bench.side.api,
        };
        let requests = self.prepare(bench.unique(), bench).await?;
        bench.closed(service, bench.size() as usize, requests).await
    }

    async fn prepare(self, unique: String, bench: &Bench<'_>) -> Result<Requests> {
        let side = bench.side;
        if matches!(self, Self::Accept | Self::Mixed) {
            side.open_sale(&unique).await?;
        }
        let known_opened_at = side.known_opened_at;
        Ok(match self {
            Self::Bare | Self::Accept => Requests::orders(vec![unique.clone()], &unique),
            Self::Mixed => Requests::mixed(&unique, &unique),
            Self::SoldOut => Requests {
                want: Want::SoldOut,
                ..Requests::orders(vec![SOLD_OUT.to_owned()], &unique)
            },
            Self::Product => Requests::product(KNOWN),
            Self::Replay => replays(KNOWN, KNOWN_ORDERS, true),
            Self::Status => statuses(KNOWN, known_opened_at, KNOWN_ORDERS, true)?,
            Self::ReplayOnce => {
                let (_, count) = prepare_once(bench, &unique, REPLAYS_PER_SECOND).await?;
                replays(&unique, count, false)
            }
            Self::StatusOnce => {
                let (opened_at, count) = prepare_once(bench, &unique, STATUSES_PER_SECOND).await?;
                statuses(&unique, opened_at, count, false)?
            }
        })
    }
}

/// Measures mixed orders at a constant rate.
pub async fn at_rate(bench: &Bench<'_>, per_second: u32, times: u32) -> Result<Measurement> {
    let (side, open) = (bench.side, bench.unique());
    side.open_sale(&open).await?;
    let schedule = soon(per_second, bench.seconds() * times);
    let requests = Requests::mixed(&open, &open);
    let load = constant(side.api.address()?, schedule, requests);
    told(&bench.watched()?, load).await
}

/// Opens a sale and places this many orders; returns when they are written.
async fn prepare_once(
    bench: &Bench<'_>,
    product: &str,
    per_second: u32,
) -> Result<(Timestamp, u64)> {
    let (side, count) = (bench.side, (per_second * bench.seconds()).min(ONCE_MAX));
    let opened_at = side.open_sale(product).await?;
    side.place(product, count.into()).await?;
    side.everything_is_written().await?;
    Ok((opened_at, count.into()))
}

fn replays(product: &str, count: u64, again: bool) -> Requests {
    Requests {
        want: Want::Replayed,
        count,
        again,
        ..Requests::known(product)
    }
}

fn statuses(product: &str, opened_at: Timestamp, count: u64, again: bool) -> Result<Requests> {
    let ids = (0..count).map(|n| Ok(order_id(product, opened_at, n)?.to_string()));
    let ids = ids.collect::<Result<_>>()?;
    Ok(Requests {
        want: Want::Confirmed,
        count,
        again,
        ..Requests::orders(ids, "")
    })
}
