use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;

const COUNT_MAX: u32 = 1_000_000;
const SECONDS_MAX: u32 = 3_600;

/// A number of tries per time, such as `20/1s`: that many at once, and one more each time the share of one has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    seconds: NonZeroU32,
}

impl Rate {
    /// How many tries.
    pub fn count(self) -> u32 {
        self.count.get()
    }

    /// In how many seconds.
    pub fn seconds(self) -> u32 {
        self.seconds.get()
    }

    /// The time after which one more try is allowed.
    pub fn interval(self) -> Duration {
        Duration::from_secs(self.seconds().into()) / self.count()
    }

    pub(super) fn quota(self) -> Quota {
        let quota = Quota::with_period(self.interval());
        let quota = quota.expect("at most COUNT_MAX tries in at least a second");
        quota.allow_burst(self.count)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.count, self.seconds)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (count, time) = text.split_once('/')?;
            let count: NonZeroU32 = count.parse().ok()?;
            let seconds: NonZeroU32 = time.strip_suffix('s')?.parse().ok()?;
            let is_allowed = count.get() <= COUNT_MAX && seconds.get() <= SECONDS_MAX;
            is_allowed.then_some(Self { count, seconds })
        };
        parse().ok_or_else(|| {
            format!(
                "must be a number of tries (1-{COUNT_MAX}) per seconds (1-{SECONDS_MAX}), such as 20/1s"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_seconds() {
        for (text, interval_ms) in [
            ("20/1s", 50),
            ("1/1s", 1_000),
            ("5/10s", 2_000),
            ("1/3600s", 3_600_000),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(rate.interval(), Duration::from_millis(interval_ms));
            assert_eq!(rate.quota().burst_size(), rate.count);
        }
        let fastest: Rate = "1000000/1s".parse().unwrap();
        assert_eq!(fastest.quota().burst_size().get(), 1_000_000);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for bad in [
            "",
            "20",
            "20/1",
            "20/s",
            "0/1s",
            "20/0s",
            "-1/1s",
            "20/1m",
            "20/1 s",
            "1000001/1s",
            "1/3601s",
            "20/1s/1s",
            "2.5/1s",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
