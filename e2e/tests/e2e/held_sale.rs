//! A sale whose orders have to be paid, without an instance of the API: the test is the one that publishes.

use ::reconciler::Stores;
use ::reconciler::config::Cli;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use e2e::order::Sale;
use e2e::sandbox::Sandbox;
use e2e::wait::wait_until;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{HoldSeconds, IdempotencyKey, OrderId, ProductId, Tag, UserId};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_domain::records::OrderRecord;
use fluxgate_domain::{SequenceNumber, Terms};
use fluxgate_gate::{
    Ack, Change, ChangeContext, Expiries, OUTBOX_PAGE_MAX, OutboxEvent, Reservation,
    ReservationContext, ReservationRequest, SaleAcks, SaleKeys, Snapshot,
};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{WRITE_LIMIT, reconcile};

pub const TOTAL: u32 = 20;
const HOLD_SECONDS: u32 = 60;
const PARTITION: i32 = 3;

/// A sale with holds.
pub struct HeldSale {
    pub stores: Stores,
    pub product: ProductId,
    pub keys: SaleKeys,
    opens_at: Timestamp,
}

/// An order of one unit that waits for its payment.
#[derive(Clone, Copy)]
pub struct Held {
    pub id: OrderId,
    placed_at: Timestamp,
}

impl HeldSale {
    pub async fn open(sandbox: &Sandbox) -> Result<Self> {
        let stores = connect(sandbox).await?;
        let product = Sale::unique("held", TOTAL)?.product;
        let terms = Terms {
            per_user_limit: Some(5),
            hold_seconds: HoldSeconds::try_from(HOLD_SECONDS).ok(),
            buyer_cancel: Some(true),
            ..Terms::of(i64::from(TOTAL).try_into()?)
        };
        stores.gate.claim(&product, &terms, PARTITION).await?;
        let view = stores.gate.sale(&product).await?;
        let view = view.context("the sale was not claimed")?;
        let opening = Event::SaleOpened(view.opened_event().into());
        stores.log.append(PARTITION, &opening).await?;
        let opens_at = view.facts.id_time;
        let keys = view.facts.keys();
        stores.gate.ack_and_apply(&keys, view.number.into()).await?;
        Ok(Self {
            stores,
            product,
            keys,
            opens_at,
        })
    }

    /// An order of one unit; the next one has a later time.
    pub async fn order(&self, user: u32) -> Result<Held> {
        let user = UserId::parse(&format!("user-{user}"))?;
        let key = IdempotencyKey::parse("key")?;
        let (tag, ms) = (Tag::of(&self.product), self.opens_at.as_millisecond());
        let id = OrderId::derive(&self.product, tag, ms, &user, &key);
        let context = ReservationContext {
            keys: &self.keys,
            opened_at: self.opens_at,
            is_limited: true,
            high_water_mark: SequenceNumber::default(),
            outbox_max: 1_000,
            shares_entries: false,
        };
        let request = ReservationRequest {
            order_id: id,
            user,
            quantity: 1.try_into()?,
        };
        let gate = &self.stores.gate;
        let answers = gate.reserve(&context, vec![request]).await?;
        let answer = answers.into_iter().next().context("no answer")??;
        let Reservation::Reserved { record, .. } = answer.reservation else {
            anyhow::bail!("not reserved: {:?}", answer.reservation);
        };
        let placed_at = record.placed_at;
        wait_until("Redis's clock moves on", WRITE_LIMIT, async || {
            ensure!(gate.now().await?.as_millisecond() > placed_at.as_millisecond());
            Ok(())
        })
        .await?;
        Ok(Held { id, placed_at })
    }

    pub fn context(&self) -> ChangeContext<'_> {
        ChangeContext {
            product: &self.product,
            keys: &self.keys,
            high_water_mark: SequenceNumber::default(),
            outbox_max: 1_000,
        }
    }

    pub async fn complete(&self, order: Held) -> Result<Change<OrderRecord>> {
        Ok(self.stores.gate.complete(self.context(), order.id).await?)
    }

    pub async fn cancel(&self, order: Held, by: CancelledBy) -> Result<Change<OrderRecord>> {
        let cancel = self.stores.gate.cancel(self.context(), order.id, by);
        Ok(cancel.await?)
    }

    /// Lets this order expire.
    pub async fn expire(&self, order: Held) -> Result<usize> {
        let cutoff = order.placed_at + SignedDuration::from_secs(HOLD_SECONDS.into());
        let gate = &self.stores.gate;
        match gate.expire(self.context(), cutoff, &[order.id]).await? {
            Expiries::Noted(orders) => Ok(orders.len()),
            other => anyhow::bail!("{other:?}"),
        }
    }

    async fn waiting(&self) -> Result<Vec<OutboxEvent>> {
        let all = SequenceNumber::new(u32::MAX, u32::MAX);
        let gate = &self.stores.gate;
        let page = gate.read_outbox(&self.keys, None, all, OUTBOX_PAGE_MAX);
        Ok(page.await?.events)
    }

    /// Publishes what is in the outbox.
    pub async fn publish(&self) -> Result<()> {
        for waiting in self.waiting().await? {
            let event = waiting.event(&self.product).context("a record is lost")?;
            self.stores.log.append(PARTITION, &event).await?;
            self.acknowledge(waiting.number, &event).await?;
        }
        Ok(())
    }

    /// As if Kafka had lost what it had acknowledged.
    pub async fn lose(&self) -> Result<()> {
        for waiting in self.waiting().await? {
            let event = waiting.event(&self.product).context("a record is lost")?;
            self.acknowledge(waiting.number, &event).await?;
        }
        Ok(())
    }

    async fn acknowledge(&self, number: SequenceNumber, event: &Event) -> Result<()> {
        let (gate, keys) = (&self.stores.gate, &self.keys);
        if event.makes_room() {
            gate.ack_and_apply(keys, number.into()).await?;
        } else {
            let acks = &[Ack::Event(number.into())];
            gate.ack_all(&[SaleAcks { keys, acks }]).await?;
        }
        Ok(())
    }

    pub async fn snapshot(&self) -> Result<Snapshot> {
        let snapshot = self.stores.gate.snapshot(&self.keys).await?;
        snapshot.context("Redis does not have the sale")
    }

    /// Orders that this user has left unpaid.
    pub async fn unpaid(&self, sandbox: &Sandbox, user: u32) -> Result<Option<i64>> {
        let users = self.keys.users.as_str_lossy();
        let field = format!("\u{1}user-{user}");
        let redis = &sandbox.stores.redis;
        redis.command(&["HGET", &users, &field]).await
    }

    pub async fn rebuild(&self, sandbox: &Sandbox, code: i32, text: &str) -> Result<()> {
        let arguments = ["rebuild", self.product.as_str()];
        reconcile(sandbox, &arguments, code, text).await
    }
}

/// The stores of a sandbox, as the reconciler reaches them.
async fn connect(sandbox: &Sandbox) -> Result<Stores> {
    let settings = sandbox.settings();
    let names = ["REDIS_URL", "KAFKA_BROKERS", "KAFKA_TOPIC", "DATABASE_URL"];
    let arguments = names.iter().map(|name| {
        let option = name.to_lowercase().replace('_', "-");
        format!("--{option}={}", settings[*name])
    });
    let program = std::iter::once("reconciler".to_owned());
    let arguments = program.chain(arguments).chain(["audit".to_owned()]);
    let cli = Cli::try_parse_from(arguments)?;
    Ok(Stores::connect(&cli.settings).await?)
}
