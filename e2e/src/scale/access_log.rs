//! nginx's log of each request, and which failed requests the death of an instance explains.

use std::fmt;
use std::ops::Range;

use anyhow::{Context, Result};

/// nginx's own variables: when the answer was sent, how long it took from the first byte of the request, its status,
/// each instance that was asked, and what each of them answered (502 or 504 where no answer came).
pub const FORMAT: &str = "$msec|$request_time|$status|$upstream_addr|$upstream_status";

/// nginx's status for a buyer who left before the answer.
const BUYER_LEFT: u16 = 499;
/// nginx's statuses for an instance that did not answer. The API never uses them.
const NO_ANSWER: [u16; 2] = [502, 504];

/// Seconds: nginx counts in milliseconds, and reads its clock once for all that happened together.
const CLOCK_ERROR: f64 = 0.002;
/// Seconds in which a busy nginx may still send something over a connection that a dead instance has closed.
const NOTICE_LIMIT: f64 = 1.0;

/// One request. Times are seconds since 1970, to the millisecond.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    begin: f64,
    end: f64,
    status: u16,
    /// The instances that were asked, one after the other.
    instances: Vec<String>,
    /// Whether the answer is an instance's own and not nginx's.
    is_of_the_api: bool,
}

/// What happened to requests around the death of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Failed: under way at the killed instance when it died.
    pub in_flight: usize,
    /// Failed: sent to the killed instance just afterwards, before nginx left it out.
    pub too_late: usize,
    /// Failed for another reason: the buyer left, the API answered 5xx, or anything else.
    pub other: usize,
    /// Under way at the killed instance when it died, and answered by another.
    pub repeated: usize,
}

impl Access {
    /// Reads a line of [`FORMAT`].
    pub fn read(line: &str) -> Result<Self> {
        let read = || {
            let parts: Vec<&str> = line.split('|').collect();
            let &[end, took, status, instances, answers] = &*parts else {
                return None;
            };
            let (end, took): (f64, f64) = (end.parse().ok()?, took.parse().ok()?);
            let status: u16 = status.parse().ok()?;
            let last = answers.rsplit(", ").next().and_then(|it| it.parse().ok());
            Some(Self {
                begin: end - took,
                end,
                status,
                instances: instances.split(", ").map(str::to_owned).collect(),
                is_of_the_api: last == Some(status) && !NO_ANSWER.contains(&status),
            })
        };
        read().with_context(|| format!("not a line of an access log: {line}"))
    }
}

impl Failures {
    /// `address` is the killed instance's; it died within `death`, in seconds since 1970.
    pub fn of(all: &[Access], address: &str, death: Range<f64>) -> Self {
        let mut failures = Self::default();
        for it in all {
            failures.count(it, address, &death);
        }
        failures
    }

    /// What was answered by another instance has not failed.
    pub fn failed(self) -> usize {
        self.in_flight + self.too_late + self.other
    }

    fn count(&mut self, it: &Access, address: &str, death: &Range<f64>) {
        let (before, after) = (death.start - CLOCK_ERROR, death.end + CLOCK_ERROR);
        let has_failed = it.status == BUYER_LEFT || it.status >= 500;
        if !has_failed {
            // Only what had been sent before it was killed: others nginx could not send at all.
            let first = it.instances.len() > 1 && it.instances[0] == address;
            self.repeated += usize::from(first && it.begin < before && it.end >= before);
            return;
        }
        let was_there = it.instances.iter().any(|it| it == address);
        let in_time = it.end >= before && it.begin <= after + NOTICE_LIMIT;
        *if it.status == BUYER_LEFT || it.is_of_the_api || !was_there || !in_time {
            &mut self.other
        } else if it.begin <= after {
            &mut self.in_flight
        } else {
            &mut self.too_late
        } += 1;
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            in_flight,
            too_late,
            other,
            repeated,
        } = self;
        write!(
            f,
            "Requests under way at the killed instance: {in_flight} failed, {repeated} were answered by another. \
             Others that failed: {too_late} sent to it before nginx left it out, {other} for another reason."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_begin_end_status_and_every_instance_that_was_asked() {
        let line = "1700000000.250|0.250|202|127.0.0.1:1, 127.0.0.1:2|502, 202";
        let access = Access::read(line).unwrap();
        assert_eq!(
            (access.begin, access.end),
            (1_700_000_000.0, 1_700_000_000.25)
        );
        assert_eq!((access.status, access.instances.len()), (202, 2));
        assert!(access.is_of_the_api);
        assert!(
            !Access::read("1700000000.250|5.000|499|127.0.0.1:1|-")
                .unwrap()
                .is_of_the_api
        );
        assert!(Access::read("1700000000.250").is_err());
    }

    #[test]
    fn failures_are_told_apart_by_instance_time_and_cause() {
        let in_flight = ["100.010|0.020|502|a|502", "100.010|0.020|502|a, b|502, 502"];
        let too_late = ["100.011|0.002|502|a|502", "100.500|0.001|502|a|502"];
        let other = [
            "102.000|0.001|502|a|502",         // long after
            "100.010|0.020|502|b|502",         // at another instance
            "99.000|0.001|502|a|502",          // before
            "100.010|5.000|499|a|-",           // the buyer left
            "100.010|0.020|503|a|503",         // the API's own answer
            "100.010|0.020|503|a, b|502, 503", // the other instance's own answer
        ];
        let repeated = ["100.010|0.200|202|a, b|502, 202"];
        // Sent when nothing listened there any more, answered before, never at the killed instance.
        let right = [
            "100.010|0.005|202|a, b|502, 202",
            "99.500|0.200|202|a, b|502, 202",
            "100.010|0.200|202|b, c|502, 202",
            "100.010|0.200|202|a|202",
        ];
        let count = |lines: &[&str]| {
            let all: Vec<_> = lines
                .iter()
                .map(|line| Access::read(line).unwrap())
                .collect();
            Failures::of(&all, "a", 99.999..100.0)
        };
        let none = Failures::default();
        assert_eq!(
            count(&in_flight),
            Failures {
                in_flight: 2,
                ..none
            }
        );
        assert_eq!(
            count(&too_late),
            Failures {
                too_late: 2,
                ..none
            }
        );
        assert_eq!(count(&other), Failures { other: 6, ..none });
        assert_eq!(
            count(&repeated),
            Failures {
                repeated: 1,
                ..none
            }
        );
        assert_eq!(count(&right), none);
    }
}
