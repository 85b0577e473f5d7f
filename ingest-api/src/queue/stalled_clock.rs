use std::time::Duration;

use fluxgate_gate::{QueuePhase, QueueView};
use prometheus::IntGauge;

use crate::boot_instant::BootInstant;

/// How long the turn clock may stop without a reason: longer than any refusal lease or failover of Redis.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Counts a queue in `queues_stalled` while its turn clock does not advance although the sale is open, units are left, people wait, and the shop has
/// not stopped the turns.
pub struct StalledClock {
    clock_ms: u64,
    /// Since when it has stopped; `None`: it has no reason to advance.
    since: Option<BootInstant>,
    is_counted: bool,
    queues_stalled: IntGauge,
}

impl StalledClock {
    /// Of a queue that has not been read yet.
    pub fn new(queues_stalled: IntGauge) -> Self {
        Self {
            clock_ms: 0,
            since: None,
            is_counted: false,
            queues_stalled,
        }
    }

    /// The queue was read.
    pub fn observe(&mut self, view: &QueueView, now: BootInstant) {
        let mark = view.mark;
        let people_wait = mark.served.served(mark.joined) < mark.joined.saturating_add(mark.late);
        let takes_orders = view.phase == QueuePhase::Open && view.remaining > 0;
        let should_run = takes_orders && view.settings.gives_turns() && people_wait;
        if !should_run {
            self.since = None;
        } else if mark.clock_ms != self.clock_ms || self.since.is_none() {
            self.since = Some(now);
        }
        self.clock_ms = mark.clock_ms;
        self.count(now);
    }

    /// Counts the queue, if its clock has stopped for too long by now. Also to be called when it could not be read.
    pub fn count(&mut self, now: BootInstant) {
        let is_stalled = self
            .since
            .is_some_and(|since| now.since(since) >= STALLED_AFTER);
        match (is_stalled, self.is_counted) {
            (true, false) => self.queues_stalled.inc(),
            (false, true) => self.queues_stalled.dec(),
            _ => {}
        }
        self.is_counted = is_stalled;
    }
}

impl Drop for StalledClock {
    fn drop(&mut self) {
        if self.is_counted {
            self.queues_stalled.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::QueueMode;
    use fluxgate_domain::queue::EARLY_END;

    use super::*;
    use crate::queue::fixture::view;

    /// What the gauge shows after these views, each a second after the one before; `None`: the queue could not be read.
    fn shown(views: impl IntoIterator<Item = Option<QueueView>>) -> i64 {
        let gauge = IntGauge::new("queues_stalled", "for a test").unwrap();
        let mut clock = StalledClock::new(gauge.clone());
        let mut now = BootInstant::now();
        for view in views {
            now = now + Duration::from_secs(1);
            match view {
                Some(view) => clock.observe(&view, now),
                None => clock.count(now),
            }
        }
        let shown = gauge.get();
        drop(clock);
        assert_eq!(gauge.get(), 0, "a queue that is not served any more");
        shown
    }

    #[test]
    fn a_clock_that_stops_for_ten_seconds_is_counted_until_it_advances() {
        assert_eq!(shown((0..20).map(|second| Some(view(second)))), 0);
        assert_eq!(shown((0..10).map(|_| Some(view(5)))), 0);
        assert_eq!(shown((0..11).map(|_| Some(view(5)))), 1);
        assert_eq!(shown((0..12).map(|n| Some(view(5 + n / 11)))), 0);
        let unavailable = (0..11).map(|n| (n == 0).then(|| view(5)));
        assert_eq!(shown(unavailable), 1);
    }

    #[test]
    fn a_clock_that_has_no_reason_to_advance_is_not_counted() {
        let mut served = view(5);
        served.mark.served.served_below = EARLY_END;
        let mut sold_out = view(5);
        sold_out.remaining = 0;
        let mut closed = view(5);
        closed.phase = QueuePhase::Closed;
        let mut paused = view(5);
        paused.settings.paused = true;
        let mut passing = view(5);
        passing.settings.mode = QueueMode::Pass;
        for view in [served, sold_out, closed, paused, passing] {
            assert_eq!(shown((0..20).map(|_| Some(view.clone()))), 0, "{view:?}");
        }
    }
}
