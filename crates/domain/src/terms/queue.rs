use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AdmitPerSecond, Overbook, TurnSeconds};
use crate::queue::SecretFingerprint;

/// The terms of a sale with a queue: what was said, and what the instance that opened the sale added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueTerms {
    /// From when on buyers may join; `None`: once the sale exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_from: Option<Timestamp>,
    /// Until when; `None`: as long as the sale is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_until: Option<Timestamp>,
    /// The admission rate.
    pub admit_per_second: AdmitPerSecond,
    /// How long a turn lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_seconds: Option<TurnSeconds>,
    /// Most turns that are open at a time, for each unit that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overbook: Option<Overbook>,
    /// Which secret the queue is computed with.
    pub secret: SecretFingerprint,
    /// The SHA-256 of the seed, in JSON as hex digits.
    #[serde(with = "hex")]
    pub seed_sha256: [u8; 32],
}

impl QueueTerms {
    /// How long a turn lasts, with the default.
    pub fn turn_seconds_or_default(&self) -> TurnSeconds {
        self.turn_seconds.unwrap_or(TurnSeconds::DEFAULT)
    }

    /// Most turns that are open at a time for each unit, with the default.
    pub fn overbook_or_default(&self) -> Overbook {
        self.overbook.unwrap_or(Overbook::DEFAULT)
    }

    /// Whether both say the same. The secret and the seed are not said.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let said = |terms: &Self| {
            let joining = (terms.join_from, terms.join_until);
            let turns = (terms.turn_seconds_or_default(), terms.overbook_or_default());
            (joining, terms.admit_per_second, turns)
        };
        said(self) == said(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Terms;
    use crate::ids::Total;

    fn queue() -> QueueTerms {
        let json = format!(
            r#"{{"admitPerSecond":50,"secret":"0123456789abcdef","seedSha256":"{}"}}"#,
            "5a".repeat(32)
        );
        serde_json::from_str(&json).unwrap()
    }

    fn with(queue: Option<QueueTerms>) -> Terms {
        Terms {
            queue,
            ..Terms::of(Total::try_from(100).unwrap())
        }
    }

    #[test]
    fn what_was_not_said_is_left_out_of_the_json_and_has_a_default() {
        let least = queue();
        assert_eq!(least.turn_seconds_or_default().get(), 300);
        assert_eq!(least.overbook_or_default().get(), 3);
        let at = |second| Timestamp::from_second(second).ok();
        let most = QueueTerms {
            join_from: at(1),
            join_until: at(2),
            turn_seconds: TurnSeconds::try_from(60).ok(),
            overbook: Overbook::try_from(1).ok(),
            ..least
        };
        let added = format!(
            r#""secret":"0123456789abcdef","seedSha256":"{}""#,
            "5a".repeat(32)
        );
        for (queue, said) in [
            (least, r#""admitPerSecond":50"#),
            (
                most,
                r#""joinFrom":"1970-01-01T00:00:01Z","joinUntil":"1970-01-01T00:00:02Z","admitPerSecond":50,"turnSeconds":60,"overbook":1"#,
            ),
        ] {
            let json = format!(r#"{{"quantity":100,"queue":{{{said},{added}}}}}"#);
            assert_eq!(with(Some(queue)).to_json(), json);
            assert_eq!(Terms::read(&json), Some(with(Some(queue))));
        }
        let short = format!(r#"{{"quantity":100,"queue":{{"admitPerSecond":50,{added}}}}}"#);
        assert_eq!(Terms::read(&short.replace("5a5a", "5a")), None);
    }

    #[test]
    fn terms_differ_by_what_was_said_of_the_queue() {
        let is_other = |is: Option<QueueTerms>, asked: Option<QueueTerms>| {
            let different = with(is).different(&with(asked), Timestamp::UNIX_EPOCH);
            assert!(different.iter().all(|name| *name == "queue"));
            !different.is_empty()
        };
        let is = queue();
        let with_defaults = QueueTerms {
            turn_seconds: Some(TurnSeconds::DEFAULT),
            overbook: Some(Overbook::DEFAULT),
            ..is
        };
        let of_another_secret = QueueTerms {
            secret: serde_json::from_str(r#""fedcba9876543210""#).unwrap(),
            seed_sha256: [0; 32],
            ..is
        };
        for same in [is, with_defaults, of_another_secret] {
            assert!(!is_other(Some(is), Some(same)));
        }
        let at = Some(Timestamp::UNIX_EPOCH);
        for other in [
            QueueTerms {
                join_from: at,
                ..is
            },
            QueueTerms {
                join_until: at,
                ..is
            },
            QueueTerms {
                admit_per_second: AdmitPerSecond::try_from(51).unwrap(),
                ..is
            },
            QueueTerms {
                turn_seconds: TurnSeconds::try_from(301).ok(),
                ..is
            },
            QueueTerms {
                overbook: Overbook::try_from(2).ok(),
                ..is
            },
        ] {
            assert!(is_other(Some(is), Some(other)), "{other:?}");
        }
        assert!(is_other(Some(is), None) && is_other(None, Some(is)));
    }
}
