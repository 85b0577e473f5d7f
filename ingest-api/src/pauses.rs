//! Pauses between reads of a store until it has what is waited for.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Pauses of which each is twice as long as the one before, up to the longest.
pub struct Pauses {
    next: Duration,
    longest: Duration,
    deadline: Instant,
}

impl Pauses {
    /// No pause ends after `deadline`.
    pub fn new(first: Duration, longest: Duration, deadline: Instant) -> Self {
        Self {
            next: first,
            longest,
            deadline,
        }
    }

    /// Waits for the next pause. False at once if it would end after the deadline.
    pub async fn wait(&mut self) -> bool {
        match self.next(Instant::now()) {
            Some(pause) => {
                sleep(pause).await;
                true
            }
            None => false,
        }
    }

    fn next(&mut self, now: Instant) -> Option<Duration> {
        let pause = self.next;
        self.next = self.longest.min(pause * 2);
        (now + pause <= self.deadline).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end_before_the_deadline() {
        let mut now = Instant::now();
        let ms = Duration::from_millis;
        let mut pauses = Pauses::new(ms(10), ms(40), now + ms(115));
        for pause in [10, 20, 40, 40] {
            assert_eq!(pauses.next(now), Some(ms(pause)));
            now += ms(pause);
        }
        assert_eq!(pauses.next(now), None);
    }
}
