//! The queue of a sale: joining it, and serving it (`join_queue.lua`, `pace_queue.lua`).

use std::time::Duration;

use fluxgate_domain::queue::{HolderId, SecretFingerprint, Thresholds};
use fluxgate_domain::{SequenceNumber, Terms};
use fred::types::{Key, Value};
use jiff::Timestamp;

use crate::changes::{high_water_mark_arguments, text};
use crate::{GateError, QueueKeys, QueueView, ReservationStore, SaleKeys};

/// The highest state of a queue that an instance has seen. Every call brings it, and Redis keeps the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueMark {
    /// The highest number that was given to somebody who joined after the start.
    pub late: u64,
    /// How far the queue has been served.
    pub served: Thresholds,
    /// The turn clock, in milliseconds.
    pub clock_ms: u64,
    /// How many joined before the start, as far as known.
    pub joined: u64,
    /// Whether the start is over.
    pub is_started: bool,
}

impl QueueMark {
    /// The larger of both, field by field.
    pub fn raise(&mut self, other: &Self) {
        self.late = self.late.max(other.late);
        self.served.served_below = self.served.served_below.max(other.served.served_below);
        self.served.served_late = self.served.served_late.max(other.served.served_late);
        self.clock_ms = self.clock_ms.max(other.clock_ms);
        self.joined = self.joined.max(other.joined);
        self.is_started |= other.is_started;
    }

    fn arguments(&self) -> [Value; 6] {
        let served = self.served;
        let numbers = [
            self.late,
            served.served_below,
            served.served_late,
            self.clock_ms,
            self.joined,
            self.is_started.into(),
        ];
        numbers.map(|number| number.to_string().into())
    }
}

/// What the tickets of a queue are bound to. If the sale has other terms, calls are answered [`QueueRefusal::Moved`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBinding {
    /// When the sale opens.
    pub opens_at: Timestamp,
    /// Which secret signs the tickets.
    pub secret: SecretFingerprint,
}

impl QueueBinding {
    fn arguments(&self) -> [Value; 2] {
        let opens_at = self.opens_at.as_millisecond();
        [opens_at.into(), self.secret.to_string().into()]
    }
}

/// Why a call to a queue had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueRefusal {
    /// This Redis has no such sale, or it has no queue.
    Unknown,
    /// The caller knows old terms.
    Moved,
    /// The sale is being rebuilt.
    Behind,
    /// A key of the queue is missing: Redis has evicted it, or somebody has deleted it.
    Lost,
}

/// What `join_queue.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// All joined before the start.
    Early,
    /// All joined after it, with this number and those that follow.
    Late {
        /// The number of the first one.
        first: u64,
    },
    /// One cannot join yet.
    NotOpen {
        /// How long.
        opens_in: Duration,
    },
    /// Nobody can join any more.
    Ended,
    /// The sale is closed.
    Closed,
    /// Nothing was done.
    Refused(QueueRefusal),
}

impl ReservationStore {
    /// Holders that one call takes.
    pub const HOLDERS_MAX: usize = 256;

    /// Lets holders join a queue; at most [`Self::HOLDERS_MAX`].
    ///
    /// # Errors
    /// When Redis gave no usable answer; they may have joined.
    pub async fn join_queue(
        &self,
        keys: &SaleKeys,
        queue: &QueueKeys,
        binding: &QueueBinding,
        mark: &QueueMark,
        holders: &[HolderId],
    ) -> Result<Join, GateError> {
        let keys = vec![keys.sale.clone(), queue.state.clone(), queue.joined.clone()];
        let mut arguments: Vec<Value> = binding.arguments().into();
        arguments.extend(mark.arguments());
        let holders = holders
            .iter()
            .map(|it| Value::from(it.as_bytes().as_slice()));
        arguments.extend(holders);
        let script = &self.scripts.join_queue;
        let reply: Vec<Value> = self.run("join_queue", script, keys, arguments).await?;
        let read = match text(&reply, 0).unwrap_or_default().as_ref() {
            "early" => Some(Join::Early),
            "late" => number(&reply, 1).map(|first| Join::Late { first }),
            "not_open" => number(&reply, 1).map(|ms| Join::NotOpen {
                opens_in: Duration::from_millis(ms),
            }),
            "ended" => Some(Join::Ended),
            "closed" => Some(Join::Closed),
            other => refusal(other).map(Join::Refused),
        };
        read.ok_or_else(|| GateError::unexpected("a reply of join_queue.lua", reply))
    }

    /// Serves a queue by the time that has passed, and reads it. Starts it, if the sale has. The clock stops while Redis is behind
    /// `high_water_mark`.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn pace_queue(
        &self,
        keys: &SaleKeys,
        queue: &QueueKeys,
        binding: &QueueBinding,
        mark: &QueueMark,
        high_water_mark: SequenceNumber,
        outbox_max: u32,
    ) -> Result<Result<QueueView, QueueRefusal>, GateError> {
        let script_keys: Vec<Key> = vec![
            keys.sale.clone(),
            queue.state.clone(),
            queue.joined.clone(),
            keys.orders.clone(),
            keys.outbox.clone(),
        ];
        let mut arguments: Vec<Value> = binding.arguments().into();
        arguments.extend(mark.arguments());
        arguments.extend(high_water_mark_arguments(high_water_mark));
        arguments.push(i64::from(outbox_max).into());
        let script = &self.scripts.pace_queue;
        let reply: Vec<Value> = self
            .run("pace_queue", script, script_keys, arguments)
            .await?;
        let read = match text(&reply, 0).unwrap_or_default().as_ref() {
            "queue" => QueueView::read(&reply).map(Ok),
            other => refusal(other).map(Err),
        };
        read.ok_or_else(|| GateError::unexpected("a reply of pace_queue.lua", reply))
    }
}

fn refusal(verdict: &str) -> Option<QueueRefusal> {
    Some(match verdict {
        "unknown" => QueueRefusal::Unknown,
        "moved" => QueueRefusal::Moved,
        "behind" => QueueRefusal::Behind,
        "lost" => QueueRefusal::Lost,
        _ => return None,
    })
}

pub(crate) fn number<T: std::str::FromStr>(reply: &[Value], index: usize) -> Option<T> {
    text(reply, index)?.parse().ok()
}

/// The field `queue` of a sale on these terms; `None` if it has no queue.
pub fn queue_field(terms: &Terms) -> Option<String> {
    let queue = terms.queue?;
    let or_zero = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_millisecond);
    let (from, until) = (or_zero(queue.join_from), or_zero(queue.join_until));
    let per_second = queue.admit_per_second.get();
    let turn_seconds = queue.turn_seconds_or_default().get();
    let overbook = queue.overbook_or_default().get();
    let secret = queue.secret;
    Some(format!(
        "{from} {until} {per_second} {turn_seconds} {overbook} {secret}"
    ))
}
