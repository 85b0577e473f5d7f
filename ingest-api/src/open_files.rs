//! How many files, and with them connections, the process may hold open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Connections where neither a setting nor the limit of open files says otherwise.
const CONNECTIONS_DEFAULT: u32 = 25_000;

/// Files for all else: the stores, the log, the event loops.
const RESERVE: u64 = 512;

/// Raises the limit to the highest that the system allows without privileges, and returns it. Many
/// systems start programs with 1,024, for the sake of old ones that cannot handle more.
pub fn raise_limit() -> u64 {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .inspect(|()| tracing::info!(files.max = hard, files.before = soft, "open files"))
            .map(|()| hard)
            .or_else(|error| {
                tracing::warn!(files.max = soft, %error, "the limit of open files stays");
                Ok(soft)
            })
    });
    // Not told: then it is not what is in the way.
    raised.unwrap_or(u64::MAX)
}

/// How many connections to take: what is `wanted`, or a default that fits.
///
/// # Errors
/// With the reason, when more is wanted than `files` allow.
pub fn connections_max(wanted: Option<u32>, files: u64) -> Result<u32, String> {
    let room = files.saturating_sub(RESERVE.min(files / 2));
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    match wanted {
        None => Ok(CONNECTIONS_DEFAULT.min(room)),
        Some(wanted) if wanted <= room => Ok(wanted),
        Some(wanted) => Err(format!(
            "{wanted} connections and {RESERVE} other files are more than the {files} open files \
             that the system allows (ulimit -Hn)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_raised_to_the_hard_one() {
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
    fn what_does_not_fit_is_refused_with_the_figures() {
        assert_eq!(connections_max(Some(19_488), 20_000), Ok(19_488));
        let refusal = connections_max(Some(19_489), 20_000).unwrap_err();
        assert!(refusal.contains("19489") && refusal.contains("20000"));
    }
}
