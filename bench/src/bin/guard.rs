//! Repeats one pure part of the path of an order. `bench/check` counts its instructions: unlike times, the counts do not
//! depend on the load of the machine.

use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fluxgate_domain::batch::Record;
use fluxgate_domain::events::{CE_ID, CE_TYPE, Event, headers};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, UserId};
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::OrdersVersion;
use ingest_api::sold_out::{KnownOrders, MemoryShare};
use inventory_worker::batch::{BatchBuilder, ReadFrom};
use serde::Deserialize;

const BODY: &[u8] = br#"{"productId":"sneaker-2026","userId":"user-0-123","quantity":1}"#;
const RECORD: &str = "1-4711 1790000000123 1 user-0-123";
const BATCH_MAX_ROWS: usize = 5_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    product_id: ProductId,
    user_id: UserId,
    quantity: Quantity,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let times = arguments.next().unwrap_or_default();
    let times: usize = times.parse().context("guard PART TIMES")?;

    let product = ProductId::from_str("sneaker-2026")?;
    let user = UserId::from_str("user-0-123")?;
    let key = IdempotencyKey::parse("bench-0-123456")?;
    let tag = Tag::of(&product);
    let order_id = OrderId::derive(&product, tag, 1_790_000_000_000, &user, &key);
    let event = |record: &OrderRecord| Event::OrderReserved(record.event(order_id, &product));
    match part.as_str() {
        "parse" => repeat(times, || {
            let order: Order = serde_json::from_slice(black_box(BODY))?;
            Ok((order.product_id, order.user_id, order.quantity))
        }),
        "id" => repeat(times, || {
            let id = OrderId::derive(black_box(&product), tag, 1_790_000_000_000, &user, &key);
            Ok(id.to_string())
        }),
        "record" => repeat(times, || Ok(black_box(RECORD).parse::<OrderRecord>()?)),
        "encode" => {
            let event = event(&RECORD.parse()?);
            repeat(times, || Ok((black_box(&event).encode(), headers(&event))))
        }
        "batch" => {
            let event = event(&RECORD.parse()?);
            let value = event.encode();
            let attributes = headers(&event);
            let attribute = |wanted| {
                let found = attributes.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, text)| text.as_bytes())
            };
            let (ce_type, ce_id) = (attribute(CE_TYPE), attribute(CE_ID));
            let key = Some(product.as_str().as_bytes());
            let mut builder = BatchBuilder::new(BATCH_MAX_ROWS, Duration::from_secs(1));
            let (mut offset, now) = (0, Instant::now());
            repeat(times, || {
                let event = Event::decode(ce_type, key, Some(black_box(&value)));
                let record = Record::new(offset, 0, key, Some(&value), event);
                let from = ReadFrom {
                    generation: 1,
                    log_number: 0,
                    offset,
                };
                builder.push(0, from, record, ce_id, now);
                offset += 1;
                Ok(builder.is_full().then(|| builder.take()))
            })
        }
        "known" => {
            let ids = (0..100_000).map(|n| {
                let key = IdempotencyKey::parse(&format!("key-{n}"))?;
                Ok(OrderId::derive(&product, tag, 1, &user, &key).hash_bits())
            });
            let mut hashes = ids.collect::<Result<Box<[u64]>>>()?;
            hashes.sort_unstable();
            let count = hashes.len();
            let room = MemoryShare::take(&Arc::default(), count, count).context("no room")?;
            let version = OrdersVersion {
                epoch: 1,
                fields: u32::try_from(count)? + 1,
            };
            let orders = KnownOrders::new(hashes, version, room);
            repeat(times, || Ok(orders.may_contain(black_box(order_id))))
        }
        _ => bail!("there is no part {part:?}: parse, id, record, encode, batch, known"),
    }
}

fn repeat<T>(times: usize, mut part: impl FnMut() -> Result<T>) -> Result<()> {
    for _ in 0..times {
        black_box(part()?);
    }
    Ok(())
}
