//! What nginx notes of each request.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

/// nginx's own variables: when the answer was sent, how long it took from the first byte of the request, its status, and
/// each copy that was asked.
pub const FORMAT: &str = "$msec $request_time $status $upstream_addr";

/// Seconds: nginx counts in milliseconds, and looks at its clock once for all that happened together.
const CLOCK: f64 = 0.002;

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
}

impl Access {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none of [`FORMAT`].
    pub fn read(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        ensure!(parts.len() == 4, "no line of an access log: {line}");
        let end: f64 = parts[0].parse().with_context(|| line.to_owned())?;
        let took: f64 = parts[1].parse().with_context(|| line.to_owned())?;
        Ok(Self {
            begin: end - took,
            end,
            status: parts[2].parse().with_context(|| line.to_owned())?,
            copies: parts[3].split(", ").map(str::to_owned).collect(),
        })
    }

    /// Whether no copy has answered.
    pub fn has_failed(&self) -> bool {
        self.status >= 500
    }
}

/// Requests that failed, sorted by what the killed copy has to do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Under way at the killed copy when it died.
    pub in_flight: usize,
    /// Sent to the killed copy afterwards, before nginx left it out.
    pub too_late: usize,
    /// Any other.
    pub elsewhere: usize,
}

impl Failures {
    /// All of them.
    pub fn all(self) -> usize {
        self.in_flight + self.too_late + self.elsewhere
    }

    /// Sorts them. `address` is the killed copy's; it died within `death`, in seconds since 1970.
    pub fn of(all: &[Access], address: &str, death: Range<f64>) -> Self {
        let mut failures = Self::default();
        for failed in all.iter().filter(|it| it.has_failed()) {
            let there = failed.copies.iter().any(|copy| copy == address);
            if !there || failed.end < death.start - CLOCK {
                failures.elsewhere += 1;
            } else if failed.begin <= death.end + CLOCK {
                failures.in_flight += 1;
            } else {
                failures.too_late += 1;
            }
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_begin_end_status_and_every_copy_that_was_asked() {
        let access = Access::read("1700000000.250 0.250 202 127.0.0.1:1, 127.0.0.1:2").unwrap();
        assert_eq!(
            (access.begin, access.end),
            (1_700_000_000.0, 1_700_000_000.25)
        );
        assert_eq!((access.status, access.copies.len()), (202, 2));
        assert!(Access::read("1700000000.250").is_err());
    }

    #[test]
    fn failures_are_told_apart_by_copy_and_time() {
        let all = [
            "100.010 0.020 502 a",
            "100.011 0.002 502 a",
            "100.500 0.001 502 a",
            "100.010 0.020 502 b",
            "99.000 0.001 502 a",
            "100.010 0.020 202 a",
        ];
        let all: Vec<_> = all.iter().map(|line| Access::read(line).unwrap()).collect();
        let failures = Failures::of(&all, "a", 99.999..100.0);
        let seen = (failures.in_flight, failures.too_late, failures.elsewhere);
        assert_eq!(seen, (1, 2, 2));
    }
}
