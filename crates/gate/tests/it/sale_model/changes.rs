//! Cancels, restocks, amendments and closings.

use fluxgate_domain::ids::Total;

use super::{Event, SaleModel, State};

impl SaleModel {
    pub fn cancel(&mut self, user: u8, key: u8, is_by_buyer: bool) -> String {
        let is_behind = self.is_behind();
        let Some(order) = self.orders.get(&(user, key)) else {
            return "Unknown".into();
        };
        let sequence = match order.cancel {
            Some(sequence) => sequence,
            None if order.expiry.is_some() => return "Expired".into(),
            None if is_by_buyer && (!self.has_holds || order.completion.is_some()) => {
                return "NotAllowed".into();
            }
            None if is_behind => return "Behind".into(),
            None => {
                self.holds.remove(&(user, key));
                let sequence = self.append(Event::Cancel(user, key));
                let order = self.orders.get_mut(&(user, key)).unwrap();
                (order.cancel, order.is_cancelled_by_buyer) = (Some(sequence), is_by_buyer);
                sequence
            }
        };
        self.recorded(sequence)
    }

    pub fn restock(&mut self, key: u8, units: u32) -> String {
        if let Some((sequence, _)) = self.restocks.get(&key) {
            return self.recorded(*sequence);
        }
        if let Some(refused) = self.refuse_change() {
            return refused.into();
        }
        let opened_total = self.opened_total.unwrap();
        if opened_total + self.planned + units > Total::MAX.get() {
            "TooMany".into()
        } else {
            self.planned += units;
            let sequence = self.append(Event::Restock(key));
            self.restocks.insert(key, (sequence, units));
            self.recorded(sequence)
        }
    }

    /// Why the sale takes no restock and no amendment.
    fn refuse_change(&self) -> Option<&'static str> {
        if self.opened_total.is_none() {
            Some("Unknown")
        } else if self.is_behind() {
            Some("Behind")
        } else if self.is_closed() {
            Some("Closed")
        } else if self.state == State::Opening {
            Some("NotOpen")
        } else {
            None
        }
    }

    /// Gives the sale another limit per user.
    pub fn amend(&mut self, user_limit: Option<u32>) -> String {
        if let Some(sequence) = self.amended.filter(|_| self.user_limit == user_limit) {
            return self.recorded(sequence);
        }
        if let Some(refused) = self.refuse_change() {
            return refused.into();
        }
        if !self.orders.is_empty() {
            "Ordered".into()
        } else if !self.outbox.is_empty() {
            "Waiting".into()
        } else {
            let sequence = self.append(Event::Amendment);
            (self.amended, self.user_limit) = (Some(sequence), user_limit);
            self.recorded(sequence)
        }
    }

    pub fn close(&mut self) -> String {
        if self.opened_total.is_none() {
            return "Unknown".into();
        }
        let sequence = match self.closing {
            Some(sequence) => sequence,
            None if self.is_behind() => return "Behind".into(),
            None if self.state == State::Opening => return "NotOpen".into(),
            None => {
                self.state = State::Closed;
                let sequence = self.append(Event::Closing);
                self.closing = Some(sequence);
                sequence
            }
        };
        self.recorded(sequence)
    }
}
