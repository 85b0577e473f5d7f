use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::AdmitPerSecond;
use fluxgate_domain::queue::{QueueSettings, ServedPoint, Thresholds};
use fluxgate_domain::records::{QueueChangeRecord, QueueStartRecord};
use fred::types::Value;
use jiff::Timestamp;

use crate::QueueMark;
use crate::changes::text;
use crate::queue::number;

/// Whether the sale takes orders, by its window alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum QueuePhase {
    Scheduled,
    Open,
    Closed,
}

/// A queue at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// When it was read, by Redis's clock.
    pub seen_at: Timestamp,
    /// Whether the sale takes orders.
    pub phase: QueuePhase,
    /// How far the queue has come. How many joined before the start is an estimate with a standard error of 0.8 %.
    pub mark: QueueMark,
    /// When turns began, the oldest first; the first point is older than every turn that has not ended.
    pub points: Vec<ServedPoint>,
    /// Units left.
    pub remaining: u32,
    /// Units that are taken and not paid, in a sale with holds.
    pub held: Option<u32>,
    /// What admin calls have set.
    pub settings: QueueSettings,
    /// The number of the call that set it last; `None`: none did.
    pub change: Option<SequenceNumber>,
    /// People who are let through in a second.
    pub admit_per_second: u32,
    /// How long a turn lasts.
    pub turn: Duration,
    /// Whether Redis is behind the high-water mark: it has lost acknowledged writes, and the clock stops.
    pub is_behind: bool,
    /// The start, if Redis has it.
    pub start: Option<QueueStartRecord>,
    /// Whether this call has started the queue: then its event is to be published.
    pub starts_now: bool,
}

impl QueueView {
    /// Reads a reply of `pace_queue.lua` that has the queue.
    pub(crate) fn read(reply: &[Value]) -> Option<Self> {
        let at = |index| number::<u64>(reply, index);
        let (remaining, total) = (at(10)?, at(11)?);
        // Absent in a sale without holds.
        let held =
            at(12).map(|completed| total.saturating_sub(remaining).saturating_sub(completed));
        let terms = text(reply, 13)?;
        let mut terms = terms.split(' ').skip(2);
        let opening_rate = terms.next()?.parse().ok()?;
        let turn_seconds = terms.next()?.parse().ok()?;
        let change: Option<QueueChangeRecord> = match &*text(reply, 17)? {
            "" => None,
            record => Some(record.parse().ok()?),
        };
        let settings = change.as_ref().map(|it| it.settings).unwrap_or_default();
        let rate = settings.admit_per_second;
        Some(Self {
            seen_at: Timestamp::from_millisecond(number(reply, 1)?).ok()?,
            phase: match text(reply, 2)?.as_ref() {
                "scheduled" => QueuePhase::Scheduled,
                "open" => QueuePhase::Open,
                "closed" => QueuePhase::Closed,
                _ => return None,
            },
            mark: QueueMark {
                late: at(5)?,
                served: Thresholds {
                    served_below: at(6)?,
                    served_late: at(7)?,
                },
                clock_ms: at(8)?,
                joined: at(4)?,
                is_started: at(3)? == 1,
            },
            points: points(&text(reply, 9)?)?,
            remaining: u32::try_from(remaining).ok()?,
            held: held.and_then(|held| u32::try_from(held).ok()),
            settings,
            change: change.map(|it| it.number),
            admit_per_second: rate.map_or(opening_rate, AdmitPerSecond::get),
            turn: Duration::from_secs(turn_seconds),
            is_behind: at(14)? == 1,
            start: match &*text(reply, 15)? {
                "" => None,
                record => Some(record.parse().ok()?),
            },
            starts_now: at(16)? == 1,
        })
    }
}

fn points(text: &str) -> Option<Vec<ServedPoint>> {
    let read = |point: &str| {
        let mut numbers = point.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(ServedPoint {
            clock_ms: next()?,
            thresholds: Thresholds {
                served_below: next()?,
                served_late: next()?,
            },
        })
    };
    text.split(';').map(read).collect()
}
