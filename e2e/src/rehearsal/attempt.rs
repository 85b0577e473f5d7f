//! What comes of sending an order once, as its buyer sees it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use fluxgate_domain::ids::OrderId;

use crate::answer::{Outcome, Status};

/// Why an order is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection.
    Refused,
    /// The connection broke before the whole answer was there.
    Reset,
    /// No answer in time.
    TimedOut,
    /// An answer that says: not now. From the API, or from a proxy that could not reach it.
    Status(u16),
}

/// How an order ended for its buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// 202.
    Ordered {
        /// The order.
        id: OrderId,
        /// Whether it was marked as the answer to a retry.
        replayed: bool,
        /// Whether it was not on Kafka yet.
        reserved: bool,
    },
    /// None left.
    SoldOut,
    /// Any other answer that sending it again would not change.
    Denied {
        /// HTTP status.
        http: u16,
        /// Which of the [`Words`].
        words: u16,
    },
}

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    End(Ending),
    /// Send it again.
    Again(Failure),
}

impl Failure {
    /// Whether the order may exist all the same.
    pub fn is_undecided(self) -> bool {
        self != Self::Status(429)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::TimedOut => f.write_str("timeout"),
            Self::Status(http) => write!(f, "status {http}"),
        }
    }
}

impl From<&reqwest::Error> for Failure {
    fn from(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::Refused
        } else {
            Self::Reset
        }
    }
}

impl Next {
    /// What an answer means to its buyer.
    pub fn after(answer: reqwest::Result<Outcome>, words: &Words) -> Self {
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(error) => return Self::Again((&error).into()),
        };
        match outcome {
            Outcome::Accepted {
                id,
                status,
                replayed,
            } => Self::End(Ending::Ordered {
                id,
                replayed,
                reserved: status == Status::Reserved,
            }),
            _ if outcome.is_sold_out() => Self::End(Ending::SoldOut),
            Outcome::Refused { http, .. } if http == 429 || http >= 500 => {
                Self::Again(Failure::Status(http))
            }
            // A proxy's words for an API that it cannot reach.
            Outcome::Broken {
                http: http @ (502..=504),
                ..
            } => Self::Again(Failure::Status(http)),
            Outcome::Refused { http, code } => Self::End(Ending::Denied {
                http,
                words: words.note(code),
            }),
            Outcome::Broken { http, text } => Self::End(Ending::Denied {
                http,
                words: words.note(text),
            }),
            Outcome::Silence(_) => Self::Again(Failure::Reset),
        }
    }
}

/// Different texts of answers that should not be. The first ones are kept.
#[derive(Debug, Default)]
pub struct Words(Mutex<Vec<String>>);

impl Words {
    const MAX: usize = 50;

    /// The number of this text, or of the last one that was kept.
    fn note(&self, text: String) -> u16 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|it| *it == text);
        let number = known.unwrap_or_else(|| {
            if all.len() < Self::MAX {
                all.push(text);
            }
            all.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// All of them, away from whoever else holds this.
    pub fn take(&self) -> Self {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Self(Mutex::new(std::mem::take(&mut all)))
    }

    /// The text of this number.
    pub fn get(&self, number: u16) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(usize::from(number)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(http: u16, code: &str) -> Next {
        let code = code.into();
        Next::after(Ok(Outcome::Refused { http, code }), &Words::default())
    }

    fn broken(http: u16) -> Next {
        let text = "<html>".into();
        Next::after(Ok(Outcome::Broken { http, text }), &Words::default())
    }

    #[test]
    fn not_now_is_sent_again_whoever_says_it() {
        for again in [
            refused(429, "rate_limited"),
            refused(503, "unavailable"),
            broken(502),
            broken(504),
        ] {
            assert!(
                matches!(again, Next::Again(Failure::Status(_))),
                "{again:?}"
            );
        }
        assert!(!Failure::Status(429).is_undecided());
        assert!(Failure::Status(503).is_undecided() && Failure::TimedOut.is_undecided());
    }

    #[test]
    fn what_sending_again_does_not_change_is_the_end() {
        assert_eq!(refused(409, "sold_out"), Next::End(Ending::SoldOut));
        let denied = |http| Next::End(Ending::Denied { http, words: 0 });
        assert_eq!(refused(404, "unknown_product"), denied(404));
        assert_eq!(broken(200), denied(200));
    }

    #[test]
    fn only_the_first_words_are_kept() {
        let words = Words::default();
        assert_eq!(words.note("a".into()), 0);
        assert_eq!(words.note("b".into()), 1);
        assert_eq!(words.note("a".into()), 0);
        for n in 0..1_000 {
            words.note(n.to_string());
        }
        assert_eq!(usize::from(words.note("c".into())), Words::MAX - 1);
        assert_eq!(words.get(1), "b");
    }
}
