//! Releases work at a constant rate, however slowly it is done.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// When each request of a constant rate is due.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub start: Instant,
    pub per_second: u32,
    pub count: u64,
}

impl Schedule {
    /// When this one is due, counted from 0.
    pub fn due(&self, number: u64) -> Instant {
        self.start + self.due_after(number)
    }

    /// The same, from the start on.
    pub fn due_after(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(self.per_second))
    }

    pub fn due_by(&self, now: Instant) -> u64 {
        let Some(elapsed) = now.checked_duration_since(self.start) else {
            return 0;
        };
        let due = (elapsed.as_secs_f64() * f64::from(self.per_second)) as u64 + 1;
        due.min(self.count)
    }
}

/// Releases requests when they are due, from a thread of its own: an async timer has a resolution of one millisecond,
/// in which ten requests are due at 10,000 per second. Dropping this ends it.
#[derive(Debug)]
pub struct Pacer {
    /// One for each that is due; closed when this is dropped.
    pub permits: Arc<Semaphore>,
}

impl Pacer {
    /// At the end, `takers` permits more are given, one for each that waits for another request.
    pub fn start(schedule: Schedule, takers: usize) -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let given = permits.clone();
        thread::spawn(move || {
            let mut released = 0;
            while released < schedule.count && !given.is_closed() {
                let due = schedule.due_by(Instant::now());
                given.add_permits(due.saturating_sub(released) as usize);
                released = released.max(due);
                let next = schedule.due(released);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            given.add_permits(takers);
        });
        Self { permits }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.permits.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_are_due_as_the_rate_says_and_every_request_and_every_taker_gets_a_permit() {
        let schedule = Schedule {
            start: Instant::now(),
            per_second: 2_000,
            count: 10,
        };
        let after = |us| schedule.due_by(schedule.start + Duration::from_micros(us));
        let due = [0, 499, 501, 2_400, 60_000_000].map(after);
        assert_eq!(due, [1, 1, 2, 5, 10]);
        assert_eq!(schedule.due_after(5), Duration::from_micros(2_500));

        let pacer = Pacer::start(schedule, 3);
        pacer.permits.acquire_many(13).await.unwrap().forget();
        assert_eq!(pacer.permits.available_permits(), 0);
    }
}
