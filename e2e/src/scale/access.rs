//! What nginx notes of each request.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

/// nginx's own variables: when the answer was sent, how long it took from the first byte of the request, its status,
/// each copy that was asked, and what each of them answered (502 or 504 where nothing came).
pub const FORMAT: &str = "$msec|$request_time|$status|$upstream_addr|$upstream_status";

/// nginx's word for a buyer who left before the answer.
const BUYER_LEFT: u16 = 499;
/// nginx's words for a copy that did not answer. The API never says them.
const NO_ANSWER: [u16; 2] = [502, 504];

/// Seconds: nginx counts in milliseconds, and looks at its clock once for all that happened together.
const CLOCK: f64 = 0.002;
/// Seconds in which a busy nginx may still send something over a connection that a dead copy has closed.
const NOTICED_WITHIN: f64 = 1.0;

/// One request. Times are seconds since 1970, to the millisecond.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// When its first byte arrived.
    pub begin: f64,
    /// When its answer was sent.
    pub end: f64,
    /// What was answered.
    pub status: u16,
    /// The copies that were asked, one after the other.
    pub copies: Vec<String>,
    /// What the last of them answered; nothing when its answer was not awaited.
    pub last: Option<u16>,
}

impl Access {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none of [`FORMAT`].
    pub fn read(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.split('|').collect();
        let &[end, took, status, copies, answers] = &*parts else {
            anyhow::bail!("no line of an access log: {line}");
        };
        let end: f64 = end.parse().with_context(|| line.to_owned())?;
        let took: f64 = took.parse().with_context(|| line.to_owned())?;
        let copies: Vec<_> = copies.split(", ").map(str::to_owned).collect();
        let last = answers.rsplit(", ").next().and_then(|it| it.parse().ok());
        ensure!(took >= 0.0, "{line}");
        Ok(Self {
            begin: end - took,
            end,
            status: status.parse().with_context(|| line.to_owned())?,
            copies,
            last,
        })
    }

    /// Whether its buyer got no answer, or one that says: not now.
    pub fn has_failed(&self) -> bool {
        self.status == BUYER_LEFT || self.status >= 500
    }

    /// Whether the answer is a copy's own and not nginx's.
    fn is_of_the_api(&self) -> bool {
        self.last == Some(self.status) && !NO_ANSWER.contains(&self.status)
    }
}

/// Requests that failed, sorted by whose fault it was, and those that the death of a copy might have failed and did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Under way at the killed copy when it died.
    pub in_flight: usize,
    /// Sent to the killed copy just afterwards, before nginx left it out.
    pub too_late: usize,
    /// Given up by the buyer, wherever they were.
    pub left: usize,
    /// Answered 5xx by the API itself.
    pub by_the_api: usize,
    /// Any other.
    pub elsewhere: usize,
    /// Under way at the killed copy when it died, and answered by another: no failures.
    pub repeated: usize,
}

impl Failures {
    /// All of them; what was repeated is none.
    pub fn all(self) -> usize {
        self.at_the_killed() + self.left + self.by_the_api + self.elsewhere
    }

    /// Those that a killed copy excuses where nginx does not repeat them.
    pub fn at_the_killed(self) -> usize {
        self.in_flight + self.too_late
    }

    /// Sorts them. `address` is the killed copy's; it died within `death`, in seconds since 1970.
    pub fn of(all: &[Access], address: &str, death: Range<f64>) -> Self {
        let mut failures = Self::default();
        for it in all {
            if let Some(sort) = failures.sort_of(it, address, &death) {
                *sort += 1;
            }
        }
        failures
    }

    fn sort_of(&mut self, it: &Access, address: &str, death: &Range<f64>) -> Option<&mut usize> {
        let was_there = it.copies.iter().any(|copy| copy == address);
        let (before, after) = (death.start - CLOCK, death.end + CLOCK);
        if !it.has_failed() {
            // Only what had been sent before it was killed: others nginx could not send at all.
            let first = it.copies.len() > 1 && it.copies[0] == address;
            let hidden = first && it.begin < before && it.end >= before;
            return hidden.then_some(&mut self.repeated);
        }
        Some(if it.status == BUYER_LEFT {
            &mut self.left
        } else if it.is_of_the_api() {
            &mut self.by_the_api
        } else if !was_there || it.end < before || it.begin > after + NOTICED_WITHIN {
            &mut self.elsewhere
        } else if it.begin <= after {
            &mut self.in_flight
        } else {
            &mut self.too_late
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(lines: &[&str]) -> Failures {
        let all: Vec<_> = lines
            .iter()
            .map(|line| Access::read(line).unwrap())
            .collect();
        Failures::of(&all, "a", 99.999..100.0)
    }

    #[test]
    fn a_line_names_begin_end_status_and_every_copy_that_was_asked() {
        let line = "1700000000.250|0.250|202|127.0.0.1:1, 127.0.0.1:2|502, 202";
        let access = Access::read(line).unwrap();
        assert_eq!(
            (access.begin, access.end),
            (1_700_000_000.0, 1_700_000_000.25)
        );
        assert_eq!((access.status, access.copies.len()), (202, 2));
        assert_eq!(access.last, Some(202));
        let left = Access::read("1700000000.250|5.000|499|127.0.0.1:1|-").unwrap();
        assert_eq!(left.last, None);
        assert!(Access::read("1700000000.250").is_err());
    }

    #[test]
    fn failures_are_told_apart_by_copy_and_time() {
        let seen = failures(&[
            "100.010|0.020|502|a|502",
            "100.011|0.002|502|a|502",
            "100.500|0.001|502|a|502",
            "102.000|0.001|502|a|502",
            "100.010|0.020|502|b|502",
            "99.000|0.001|502|a|502",
            "100.010|0.020|202|a|202",
        ]);
        let expected = Failures {
            in_flight: 1,
            too_late: 2,
            elsewhere: 3,
            ..Failures::default()
        };
        assert_eq!((seen, seen.all()), (expected, 6));
    }

    #[test]
    fn buyers_who_left_and_the_apis_own_words_are_no_deaths() {
        let seen = failures(&[
            "100.010|5.000|499|a|-",
            "100.010|0.020|503|a|503",
            "100.010|0.020|503|a, b|502, 503",
            "100.010|0.020|502|a, b|502, 502",
        ]);
        let expected = Failures {
            in_flight: 1,
            left: 1,
            by_the_api: 2,
            ..Failures::default()
        };
        assert_eq!((seen, seen.all()), (expected, 4));
    }

    #[test]
    fn only_what_another_copy_answered_for_the_killed_one_was_repeated() {
        let seen = failures(&[
            "100.010|0.200|202|a, b|502, 202",
            // It came when nobody listened there any more.
            "100.010|0.005|202|a, b|502, 202",
            "99.500|0.200|202|a, b|502, 202",
            "100.010|0.200|202|b, c|502, 202",
            "100.010|0.200|202|a|202",
        ]);
        let expected = Failures {
            repeated: 1,
            ..Failures::default()
        };
        assert_eq!((seen, seen.all()), (expected, 0));
    }
}
