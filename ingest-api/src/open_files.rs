//! The limit of open files, and how many client connections fit into it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Connections if neither CONNECTIONS_MAX nor the limit of open files sets a number.
const CONNECTIONS_DEFAULT: u32 = 25_000;

/// Files for everything but client connections: the stores, the log, the event loops.
const RESERVE: u64 = 512;

/// Raises the soft limit to the hard limit and returns it. Many systems start programs with a soft limit of 1,024, for old
/// programs that cannot handle more.
pub fn raise_limit() -> u64 {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .inspect(|()| {
                tracing::info!(
                    files.max = hard,
                    files.before = soft,
                    "open-file limit raised"
                )
            })
            .map(|()| hard)
            .or_else(|error| {
                tracing::warn!(files.max = soft, %error, "failed to raise the open-file limit");
                Ok(soft)
            })
    });
    // An unknown limit is treated as none.
    raised.unwrap_or(u64::MAX)
}

/// The number of connections: `requested`, or a default that fits into `files` open files.
///
/// # Errors
/// With the reason, if `requested` does not fit.
pub fn connections_max(requested: Option<u32>, files: u64) -> Result<u32, String> {
    let available = files.saturating_sub(RESERVE.min(files / 2));
    let available = u32::try_from(available).unwrap_or(u32::MAX);
    match requested {
        None => Ok(CONNECTIONS_DEFAULT.min(available)),
        Some(requested) if requested <= available => Ok(requested),
        Some(requested) => Err(format!(
            "{requested} connections and {RESERVE} other files exceed the limit of {files} open files (ulimit -Hn)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_raised_to_the_hard_limit() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(1_024), hard).unwrap();
        assert_eq!(raise_limit(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }

    #[test]
    fn the_default_fits_into_the_open_files_and_is_bounded() {
        assert_eq!(connections_max(None, 1_048_576), Ok(25_000));
        assert_eq!(connections_max(None, 20_000), Ok(19_488));
        assert_eq!(connections_max(None, 100), Ok(50));
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused_with_both_numbers() {
        assert_eq!(connections_max(Some(19_488), 20_000), Ok(19_488));
        let refusal = connections_max(Some(19_489), 20_000).unwrap_err();
        assert!(refusal.contains("19489") && refusal.contains("20000"));
    }
}
