//! A sale with a queue, and what is asked of it.

use std::time::{Duration, Instant};

use fluxgate_domain::ids::{Overbook, UserId};
use fluxgate_domain::queue::{HolderId, QueueSecret};
use fluxgate_domain::{QueueTerms, SequenceNumber, Terms};
use fluxgate_gate::{Join, QueueBinding, QueueMark, QueueRefusal, QueueView};
use fred::interfaces::KeysInterface;
use fred::types::{Key, Value};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{RedisSale, connect, number, redis};

pub const OUTBOX_MAX: u32 = 1_000;
pub const TURN_MS: u64 = 60_000;

/// A sale of `units` that starts in `opens_in_ms` and lets `per_second` people through, at most twice as many as units are left.
pub async fn sale(units: u32, per_second: u32, opens_in_ms: i64) -> RedisSale {
    open(units, opens_in_ms, |_| terms(per_second)).await
}

/// A draw of `units` among those who join before it starts: at most as many turns are open as units are left.
pub async fn draw(units: u32, opens_in_ms: i64) -> RedisSale {
    let terms = |opens_at| QueueTerms {
        join_until: Some(opens_at),
        overbook: Some(Overbook::try_from(1).unwrap()),
        ..terms(10_000)
    };
    open(units, opens_in_ms, terms).await
}

async fn open(
    units: u32,
    opens_in_ms: i64,
    terms: impl FnOnce(Timestamp) -> QueueTerms,
) -> RedisSale {
    let mut sale = RedisSale::new(connect(), false).await;
    let now = sale.store.now().await.unwrap();
    sale.opens_at = now
        .checked_add(SignedDuration::from_millis(opens_in_ms))
        .unwrap();
    sale.user_limit = Some(1);
    sale.queue = Some(terms(sale.opens_at));
    sale.keys = sale.keys_of_terms();
    sale.claim_and_open(units).await;
    sale
}

fn terms(per_second: u32) -> QueueTerms {
    let sha256 = "5a".repeat(32);
    let queue = format!(
        r#"{{"admitPerSecond":{per_second},"turnSeconds":60,"overbook":2,"secret":"0123456789abcdef","seedSha256":"{sha256}"}}"#
    );
    let terms = Terms::read(&format!(r#"{{"quantity":1,"queue":{queue}}}"#));
    terms.unwrap().queue.unwrap()
}

pub fn holders(range: std::ops::Range<u32>) -> Vec<HolderId> {
    let secret = QueueSecret::new(&[7; 32]).unwrap();
    let of = |n| HolderId::of(&UserId::parse(&format!("user {n}")).unwrap(), &secret);
    range.map(of).collect()
}

impl RedisSale {
    pub fn binding(&self) -> QueueBinding {
        QueueBinding {
            opens_at: self.opens_at,
            secret: self.queue.unwrap().secret,
        }
    }

    pub async fn join(&self, mark: &QueueMark, range: std::ops::Range<u32>) -> Join {
        let queue = self.keys.queue.as_ref().unwrap();
        let (holders, binding) = (holders(range), self.binding());
        let joined = self
            .store
            .join_queue(&self.keys, queue, &binding, mark, &holders);
        joined.await.unwrap()
    }

    pub async fn try_pace(
        &self,
        mark: &QueueMark,
        outbox_max: u32,
    ) -> Result<QueueView, QueueRefusal> {
        self.pace_above(mark, number(0), outbox_max).await
    }

    /// A call of an instance that has seen numbers up to `high_water_mark`.
    pub async fn pace_above(
        &self,
        mark: &QueueMark,
        high_water_mark: SequenceNumber,
        outbox_max: u32,
    ) -> Result<QueueView, QueueRefusal> {
        let queue = self.keys.queue.as_ref().unwrap();
        let binding = self.binding();
        let paced = self.store.pace_queue(
            &self.keys,
            queue,
            &binding,
            mark,
            high_water_mark,
            outbox_max,
        );
        paced.await.unwrap()
    }

    pub async fn pace(&self, mark: &QueueMark) -> QueueView {
        self.try_pace(mark, OUTBOX_MAX).await.unwrap()
    }

    /// Calls until `is_so`.
    pub async fn pace_until(&self, is_so: impl Fn(&QueueView) -> bool) -> QueueView {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let view = self.pace(&QueueMark::default()).await;
            if is_so(&view) {
                return view;
            }
            assert!(Instant::now() < deadline, "still {view:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets the first call see that the start is over.
    pub async fn start(&self) -> QueueView {
        self.pace_until(|view| view.mark.is_started).await
    }

    /// Everything that Redis has of the sale, to be put back by [`Self::roll_back`].
    pub async fn dump(&self) -> Vec<(Key, Value)> {
        let redis = redis().await;
        let mut dump = Vec::new();
        for key in self.keys.all() {
            let value = redis.dump(key.clone()).await.unwrap();
            dump.push((key, value));
        }
        dump
    }

    pub async fn roll_back(&self, dump: Vec<(Key, Value)>) {
        let redis = redis().await;
        for (key, value) in dump {
            let () = redis
                .restore(key, 0, value, true, false, None, None)
                .await
                .unwrap();
        }
    }
}

pub fn late(first: u64) -> Join {
    Join::Late { first }
}

/// People who were let through.
pub fn served(view: &QueueView) -> u64 {
    view.mark.served.served(view.mark.joined)
}
