use std::sync::OnceLock;
use std::time::Duration;

use actix_web::web::Bytes;
use fluxgate_domain::ids::QueueMode;
use fluxgate_domain::queue::{QueuePosition, Thresholds, Turn, TurnHistory};
use fluxgate_gate::{QueuePhase, QueueView};
use jiff::Timestamp;

use crate::boot_instant::BootInstant;

/// How old a snapshot may be before it says nothing about turns.
const STALE_AFTER: Duration = Duration::from_secs(5);
/// The time of the turn clock over which the pace is measured.
const PACE_WINDOW_MS: u64 = 30_000;
/// The least time over which it is measured.
const PACE_WINDOW_MIN_MS: u64 = 2_000;

/// A queue as this instance has last read it.
#[derive(Debug)]
pub struct QueueSnapshot {
    /// What Redis answered.
    pub view: QueueView,
    history: TurnHistory,
    read_at: BootInstant,
    /// What `GET /queue/{product}` answers, once it was asked for.
    document: OnceLock<Bytes>,
}

impl QueueSnapshot {
    /// Of a view that Redis was asked for at `read_at`.
    pub fn new(mut view: QueueView, read_at: BootInstant) -> Self {
        let history = TurnHistory {
            points: std::mem::take(&mut view.points),
            clock_ms: view.mark.clock_ms,
            turn: view.turn,
        };
        Self {
            view,
            history,
            read_at,
            document: OnceLock::new(),
        }
    }

    /// This snapshot as it is sent. It is rendered for the first request only: a crowd polls it.
    pub fn document(&self, render: impl FnOnce() -> Bytes) -> Bytes {
        self.document.get_or_init(render).clone()
    }

    /// When turns began.
    pub fn history(&self) -> &TurnHistory {
        &self.history
    }

    /// Whether it is too old to say whose turn it is.
    pub fn is_stale(&self) -> bool {
        BootInstant::now().since(self.read_at) > STALE_AFTER
    }

    /// Whether Redis was asked for it after `instant`.
    pub fn is_read_after(&self, instant: BootInstant) -> bool {
        self.read_at >= instant
    }

    /// Whether the queue may have been served beyond this position since.
    pub fn may_have_passed(&self, position: QueuePosition) -> bool {
        self.ahead(position) <= u64::from(self.view.admit_per_second)
    }

    /// Whether orders need turns.
    pub fn needs_turns(&self) -> bool {
        self.view.settings.mode == QueueMode::Queue
    }

    /// The turn of a position.
    pub fn turn(&self, position: QueuePosition) -> Turn {
        self.history.turn(position)
    }

    /// Whether everybody who joins now joins before the start.
    pub fn is_before_start(&self, opens_at: Timestamp) -> bool {
        let age = BootInstant::now().since(self.read_at);
        let now = self
            .view
            .seen_at
            .saturating_add(age)
            .unwrap_or(Timestamp::MAX);
        !self.view.mark.is_started && self.view.mark.late == 0 && now < opens_at
    }

    /// People who are served before this position.
    pub fn ahead(&self, position: QueuePosition) -> u64 {
        self.view.mark.served.ahead(position, self.view.mark.joined)
    }

    /// When the turn of this position begins, if the queue goes on at the pace of the last seconds; `None` if it has stopped.
    pub fn estimate(&self, position: QueuePosition) -> Option<Duration> {
        let is_stopped = !self.view.settings.gives_turns();
        if self.view.phase != QueuePhase::Open || self.view.remaining == 0 || is_stopped {
            return None;
        }
        let seconds = self.ahead(position) as f64 / self.pace_per_second();
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// People let through in a second of the turn clock.
    fn pace_per_second(&self) -> f64 {
        let clock_ms = self.history.clock_ms;
        let since = clock_ms.saturating_sub(PACE_WINDOW_MS);
        let points = &self.history.points;
        let later = points.partition_point(|point| point.clock_ms <= since);
        let first = points.get(later.saturating_sub(1));
        let Some(first) = first.filter(|it| clock_ms - it.clock_ms >= PACE_WINDOW_MIN_MS) else {
            return f64::from(self.view.admit_per_second);
        };
        let served = |thresholds: Thresholds| thresholds.served(self.view.mark.joined);
        let people = served(self.view.mark.served).saturating_sub(served(first.thresholds));
        people as f64 * 1_000.0 / (clock_ms - first.clock_ms) as f64
    }
}
