//! Who sends which order next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// An order about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Which, from 0.
    pub order: u32,
    /// How often it was sent already.
    pub tries: u8,
    /// Microseconds from when it was due until it was sent for the first time.
    pub late_us: u32,
}

/// Orders to be sent. There is one permit for each that is due.
#[derive(Debug)]
pub struct Desk {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// To be sent again, now.
    again: VecDeque<Turn>,
    /// Orders of which none is new any more.
    count: u32,
    /// Orders that were sent.
    begun: u32,
    /// Those of them that will not be sent again.
    ended: u32,
}

impl Desk {
    /// So many orders; `permits` are given by the clock.
    pub fn new(permits: Arc<Semaphore>, count: u32) -> Self {
        let state = State {
            again: VecDeque::new(),
            count,
            begun: 0,
            ended: 0,
        };
        Self {
            permits,
            state: Mutex::new(state),
        }
    }

    /// Waits until an order is due; nothing when all have ended.
    pub async fn next(&self) -> Option<Turn> {
        loop {
            self.permits.acquire().await.ok()?.forget();
            if let Some(turn) = self.state().next() {
                return Some(turn);
            }
        }
    }

    /// This one is to be sent again, now.
    pub fn again(&self, turn: Turn) {
        self.state().again.push_back(turn);
        self.permits.add_permits(1);
    }

    /// One will not be sent again.
    pub fn ended(&self) {
        let mut state = self.state();
        state.ended += 1;
        self.close_when_done(&state);
    }

    /// No new ones; those under way are still ended.
    pub fn stop(&self) {
        let mut state = self.state();
        state.count = state.begun;
        self.close_when_done(&state);
    }

    /// Nobody gets another one.
    pub fn close(&self) {
        self.permits.close();
    }

    /// Orders that were sent at least once.
    pub fn begun(&self) -> u32 {
        self.state().begun
    }

    /// Orders that were to be sent.
    pub fn count(&self) -> u32 {
        self.state().count
    }

    fn close_when_done(&self, state: &State) {
        if state.begun == state.count && state.ended == state.begun {
            self.close();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<Turn> {
        if let Some(turn) = self.again.pop_front() {
            return Some(turn);
        }
        if self.begun == self.count {
            return None;
        }
        let order = self.begun;
        self.begun += 1;
        Some(Turn {
            order,
            tries: 0,
            late_us: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(count: u32) -> Desk {
        Desk::new(Arc::new(Semaphore::new(10)), count)
    }

    #[tokio::test]
    async fn whoever_waits_for_another_one_is_told_when_all_have_ended() {
        let desk = desk(2);
        let first = desk.next().await.unwrap();
        let second = desk.next().await.unwrap();
        assert_eq!((first.order, second.order), (0, 1));
        desk.ended();
        let again = Turn { tries: 1, ..first };
        desk.again(again);
        assert_eq!(desk.next().await, Some(again));
        desk.ended();
        assert_eq!(desk.next().await, None);
        assert_eq!((desk.begun(), desk.count()), (2, 2));
    }

    #[tokio::test]
    async fn after_a_stop_only_those_under_way_are_ended() {
        let desk = desk(1_000);
        let turn = desk.next().await.unwrap();
        desk.stop();
        desk.again(turn);
        assert_eq!(desk.next().await, Some(turn));
        desk.ended();
        assert_eq!(desk.next().await, None);
    }
}
