//! How the hold of an order ends: with a completion, or with an expiry.

use crate::actions::Action;
use crate::state::{Entry, Event, Page, Record, State};
use crate::{Flow, Mistake};

impl Flow {
    pub(crate) fn hold_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for order in 0..self.held {
            if state.sells() && state.redis.orders[usize::from(order)] == Record::Placed {
                actions.push(Action::Complete(order));
            }
            let ended = state.grace_ended.contains(&order);
            if state.is_held(order) && !ended {
                actions.push(Action::EndGrace(order));
            }
            // Nothing expires while Redis's clock and the caller's differ.
            let clocks_agree =
                !state.clock_jumped || self.mistake == Some(Mistake::ClocksNotCompared);
            let is_due = state.is_held(order) && (ended || state.clock_jumped);
            if is_due && clocks_agree && state.page.is_none() {
                actions.push(Action::BeginPage(order));
            }
        }
        if self.clock_jumps && !state.clock_jumped {
            actions.push(Action::JumpClock);
        }
        if let Some(page) = state.page {
            let is_past = state.ledger.position >= page.log_end
                || self.mistake == Some(Mistake::PositionNotAwaited);
            match page.mark {
                None if is_past => actions.push(Action::ReadMark),
                None => {}
                Some(_) => actions.push(Action::Expire),
            }
        }
    }

    pub(crate) fn complete(&self, state: &mut State, order: u8) {
        state.redis.orders[usize::from(order)] = Record::Completed;
        state.redis.completed += 1;
        self.add_entry(state, Event::Completion(order));
        if self.mistake == Some(Mistake::AnsweredBeforeRow) {
            state.paid.insert(order);
        }
    }

    pub(crate) fn read_mark(&self, state: &mut State) {
        let mark = match self.mistake {
            Some(Mistake::ExpiredWithoutMark) => (0, 0),
            _ => state.ledger.highest,
        };
        state.page = state.page.map(|page| Page {
            mark: Some(mark),
            ..page
        });
    }

    pub(crate) fn expire(&self, state: &mut State) {
        let Some(page) = state.page.take() else {
            return;
        };
        let number = (state.redis.epoch, state.redis.sequence);
        let is_behind = page.mark.is_none_or(|mark| number < mark);
        if is_behind || !state.is_held(page.order) {
            return;
        }
        let is_its_completion = |entry: &Entry| {
            entry.event == Event::Completion(page.order) && entry.epoch == state.redis.epoch
        };
        if state.log[..page.log_end].iter().any(is_its_completion) {
            state.expired_completed.insert(page.order);
        }
        state.redis.orders[usize::from(page.order)] = Record::Expired;
        self.add_entry(state, Event::Expiry(page.order));
    }
}

pub(crate) fn begin_page(state: &mut State, order: u8) {
    state.page = Some(Page {
        order,
        log_end: state.log.len(),
        mark: None,
    });
}
