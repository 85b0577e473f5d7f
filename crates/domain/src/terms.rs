mod queue;

pub use queue::QueueTerms;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{
    HoldGraceSeconds, HoldSeconds, OrdersPerSecond, OrdersPerUser, Total, UnpaidPerUser,
};

/// The terms of a sale, as `PUT /products/{id}` says them. Equal terms have the same JSON: times are in milliseconds, and what
/// was not said is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Units for sale, without those of restocks.
    pub quantity: Total,
    /// The requested opening time; `None`: when the sale was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
    /// Closing time; `None`: until an admin closes the sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
    /// Units that one user may hold; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_user_limit: Option<u32>,
    /// Orders that the sale takes in a second; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders_per_second: Option<OrdersPerSecond>,
    /// Orders that the sale takes of one user in a window; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders_per_user: Option<OrdersPerUser>,
    /// How long an order holds its units before it is paid; `None`: for good, and the other terms of holds are not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<HoldSeconds>,
    /// How much longer a payment is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_grace_seconds: Option<HoldGraceSeconds>,
    /// Orders that one user may leave unpaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaid_per_user: Option<UnpaidPerUser>,
    /// Whether a buyer may cancel an order that is not paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_cancel: Option<bool>,
    /// The queue that buyers wait in for their turns; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueTerms>,
}

/// The terms of holds of a sale whose orders have to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldTerms {
    /// How long an order holds its units before it is paid.
    pub hold: SignedDuration,
    /// How much longer a payment is accepted.
    pub grace: SignedDuration,
    /// Orders that one user may leave unpaid.
    pub unpaid_per_user: UnpaidPerUser,
    /// Whether a buyer may cancel an order that is not paid.
    pub buyer_cancel: bool,
}

impl HoldTerms {
    /// Until when a buyer may pay an order.
    pub fn expires_at(&self, placed_at: Timestamp) -> Timestamp {
        placed_at
            .saturating_add(self.hold)
            .unwrap_or(Timestamp::MAX)
    }
}

impl Terms {
    /// Only a quantity.
    pub fn of(quantity: Total) -> Self {
        Self {
            quantity,
            opens_at: None,
            closes_at: None,
            per_user_limit: None,
            orders_per_second: None,
            orders_per_user: None,
            hold_seconds: None,
            hold_grace_seconds: None,
            unpaid_per_user: None,
            buyer_cancel: None,
            queue: None,
        }
    }

    /// The terms of holds, with their defaults; `None` if orders hold their units for good.
    pub fn holds(&self) -> Option<HoldTerms> {
        let seconds = |seconds: u32| SignedDuration::from_secs(seconds.into());
        let grace = self.hold_grace_seconds.unwrap_or(HoldGraceSeconds::DEFAULT);
        Some(HoldTerms {
            hold: seconds(self.hold_seconds?.get()),
            grace: seconds(grace.get()),
            unpaid_per_user: self.unpaid_per_user.unwrap_or(UnpaidPerUser::DEFAULT),
            buyer_cancel: self.buyer_cancel.unwrap_or(false),
        })
    }

    /// Reads the JSON of terms; `None` if it is none. Terms that this version does not know are ignored.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The JSON of the terms.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("terms are a plain struct with text keys")
    }

    /// The names of the terms that differ from `asked`. `opened_at` is when the sale opens in fact: a request for just this
    /// time is the same as the one that opened the sale.
    pub fn different(&self, asked: &Self, opened_at: Timestamp) -> Vec<&'static str> {
        // A term of holds that is not said is its default.
        let holds = self.holds().zip(asked.holds());
        let holds_differ = |differ: fn(HoldTerms, HoldTerms) -> bool| {
            holds.is_some_and(|(is, asked)| differ(is, asked))
        };
        let is_other_queue = match (&self.queue, &asked.queue) {
            (Some(queue), Some(asked)) => !queue.says_the_same_as(asked),
            (queue, asked) => queue.is_some() || asked.is_some(),
        };
        let is_other_time = asked.opens_at != self.opens_at && asked.opens_at != Some(opened_at);
        let differ = [
            ("quantity", self.quantity != asked.quantity),
            ("opensAt", is_other_time),
            ("closesAt", self.closes_at != asked.closes_at),
            ("perUserLimit", self.per_user_limit != asked.per_user_limit),
            (
                "ordersPerSecond",
                self.orders_per_second != asked.orders_per_second,
            ),
            (
                "ordersPerUser",
                self.orders_per_user != asked.orders_per_user,
            ),
            ("holdSeconds", self.hold_seconds != asked.hold_seconds),
            (
                "holdGraceSeconds",
                holds_differ(|is, asked| is.grace != asked.grace),
            ),
            (
                "unpaidPerUser",
                holds_differ(|is, asked| is.unpaid_per_user != asked.unpaid_per_user),
            ),
            (
                "buyerCancel",
                holds_differ(|is, asked| is.buyer_cancel != asked.buyer_cancel),
            ),
            ("queue", is_other_queue),
        ];
        let differ = differ.into_iter().filter(|(_, differs)| *differs);
        differ.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms::of(Total::try_from(100).unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_not_said_is_left_out_of_the_json() {
        let all = Terms {
            quantity: terms().quantity,
            opens_at: Some(at(1)),
            closes_at: Some(at(2)),
            per_user_limit: Some(2),
            orders_per_second: Some(OrdersPerSecond::try_from(50).unwrap()),
            orders_per_user: Some(OrdersPerUser::parse("3/60").unwrap()),
            hold_seconds: Some(HoldSeconds::try_from(300).unwrap()),
            hold_grace_seconds: Some(HoldGraceSeconds::try_from(0).unwrap()),
            unpaid_per_user: Some(UnpaidPerUser::try_from(3).unwrap()),
            buyer_cancel: Some(true),
            queue: None,
        };
        for (terms, json) in [
            (terms(), r#"{"quantity":100}"#),
            (
                all,
                r#"{"quantity":100,"opensAt":"1970-01-01T00:00:01Z","closesAt":"1970-01-01T00:00:02Z","perUserLimit":2,"ordersPerSecond":50,"ordersPerUser":"3/60","holdSeconds":300,"holdGraceSeconds":0,"unpaidPerUser":3,"buyerCancel":true}"#,
            ),
        ] {
            assert_eq!(terms.to_json(), json);
            assert_eq!(Terms::read(json), Some(terms));
        }
        // PostgreSQL has its own order and spaces; a later version may know more terms.
        let other = r#"{"perUserLimit": 2, "opensAt": "1970-01-01T00:00:01Z", "more": {}, "buyerCancel": true, "holdSeconds": 300, "unpaidPerUser": 3, "holdGraceSeconds": 0, "ordersPerUser": "3/60", "ordersPerSecond": 50, "closesAt": "1970-01-01T00:00:02Z", "quantity": 100}"#;
        assert_eq!(Terms::read(other), Some(all));
        assert_eq!(Terms::read("{}"), None);
    }

    #[test]
    fn holds_have_defaults_and_an_end() {
        assert_eq!(terms().holds(), None);
        let with_holds = Terms {
            hold_seconds: Some(HoldSeconds::try_from(60).unwrap()),
            ..terms()
        };
        let holds = with_holds.holds().unwrap();
        assert_eq!(holds.grace, SignedDuration::from_secs(30));
        assert_eq!(holds.unpaid_per_user.get(), 2);
        assert!(!holds.buyer_cancel);
        assert_eq!(holds.expires_at(at(5)), at(65));
        assert_eq!(holds.expires_at(Timestamp::MAX), Timestamp::MAX);
        let with_defaults = Terms {
            hold_grace_seconds: Some(HoldGraceSeconds::DEFAULT),
            unpaid_per_user: Some(UnpaidPerUser::DEFAULT),
            buyer_cancel: Some(false),
            ..with_holds
        };
        assert!(with_holds.different(&with_defaults, at(0)).is_empty());
        let cancellable = Terms {
            buyer_cancel: Some(true),
            ..with_holds
        };
        assert_eq!(with_holds.different(&cancellable, at(0)), ["buyerCancel"]);
        assert_eq!(with_holds.different(&terms(), at(0)), ["holdSeconds"]);
    }

    #[test]
    fn a_request_for_the_time_at_which_a_sale_opened_asks_for_the_same_terms() {
        let (opened, asked) = (at(5), at(4));
        let now = terms();
        let then = Terms {
            opens_at: Some(asked),
            ..terms()
        };
        let exactly = Terms {
            opens_at: Some(opened),
            ..terms()
        };
        for (terms, same, other) in [(now, exactly, then), (then, exactly, now)] {
            assert!(terms.different(&terms, opened).is_empty());
            assert!(terms.different(&same, opened).is_empty());
            assert_eq!(terms.different(&other, opened), ["opensAt"]);
        }
    }
}
