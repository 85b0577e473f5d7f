use std::time::Duration;

use super::{QueuePosition, Thresholds};

/// How much longer than shown a turn lasts: an order that is sent in its last second still arrives.
pub const TURN_GRACE: Duration = Duration::from_secs(30);

/// The thresholds at one time of the turn clock, which runs only while orders can be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedPoint {
    /// Milliseconds of the turn clock.
    pub clock_ms: u64,
    /// How far the queue had been served.
    pub thresholds: Thresholds,
}

/// What a ticket allows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Its turn has not begun.
    Waiting,
    /// Its turn lasts for this time of the turn clock, without the grace, so zero during the grace.
    Open {
        /// Milliseconds.
        left_ms: u64,
    },
    /// Its turn has ended.
    Over,
}

/// When turns began: points in the order of the clock. The first one is older than any turn that has not ended, or is the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnHistory {
    /// At least one; each has thresholds that are at least those of the point before.
    pub points: Vec<ServedPoint>,
    /// The turn clock now, in milliseconds.
    pub clock_ms: u64,
    /// How long a turn lasts.
    pub turn: Duration,
}

impl TurnHistory {
    /// The turn of a position. It begins at the first point whose thresholds have passed it.
    pub fn turn(&self, position: QueuePosition) -> Turn {
        let passed = |point: &ServedPoint| point.thresholds.have_passed(position);
        // Thresholds only grow, so the points are sorted by whether they have passed the position.
        let first = self.points.partition_point(|point| !passed(point));
        let Some(began) = self.points.get(first) else {
            return Turn::Waiting;
        };
        let lasted = Duration::from_millis(self.clock_ms.saturating_sub(began.clock_ms));
        if lasted >= self.turn + TURN_GRACE {
            return Turn::Over;
        }
        let left = self.turn.saturating_sub(lasted).as_millis();
        Turn::Open {
            left_ms: u64::try_from(left).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::EARLY_END;

    fn point(clock_ms: u64, served_below: u64, served_late: u64) -> ServedPoint {
        ServedPoint {
            clock_ms,
            thresholds: Thresholds {
                served_below,
                served_late,
            },
        }
    }

    fn history(clock_ms: u64) -> TurnHistory {
        TurnHistory {
            points: vec![
                point(0, 0, 0),
                point(1_000, 100, 0),
                point(2_000, 200, 0),
                point(9_000, EARLY_END, 3),
            ],
            clock_ms,
            turn: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_turn_begins_at_the_first_point_that_passes_the_position() {
        let now = history(10_000);
        let open = |left_ms| Turn::Open { left_ms };
        assert_eq!(now.turn(QueuePosition::Early(99)), open(51_000));
        assert_eq!(now.turn(QueuePosition::Early(100)), open(52_000));
        assert_eq!(now.turn(QueuePosition::Early(200)), open(59_000));
        assert_eq!(
            now.turn(QueuePosition::Late(3.try_into().unwrap())),
            open(59_000)
        );
        assert_eq!(
            now.turn(QueuePosition::Late(4.try_into().unwrap())),
            Turn::Waiting
        );
    }

    #[test]
    fn a_turn_ends_after_its_time_and_the_grace() {
        let position = QueuePosition::Early(0);
        assert_eq!(history(60_999).turn(position), Turn::Open { left_ms: 1 });
        assert_eq!(history(61_000).turn(position), Turn::Open { left_ms: 0 });
        assert_eq!(history(90_999).turn(position), Turn::Open { left_ms: 0 });
        assert_eq!(history(91_000).turn(position), Turn::Over);
    }

    #[test]
    fn a_position_that_was_served_before_the_first_point_has_had_its_turn() {
        let mut now = history(200_000);
        now.points.drain(..2);
        now.points.push(point(199_000, EARLY_END, 9));
        assert_eq!(now.turn(QueuePosition::Early(5)), Turn::Over);
        assert_eq!(
            now.turn(QueuePosition::Late(9.try_into().unwrap())),
            Turn::Open { left_ms: 59_000 }
        );
    }
}
