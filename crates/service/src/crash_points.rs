//! Named places in the code where a fault run lets a service die or freeze, between two steps whose
//! order matters. Only builds with the feature `crash-points` have them; the programs that are
//! shipped do not.

/// Ends or freezes the process here if `CRASH_POINT` says so: `name:n` kills it when it comes here
/// for the n-th time, `name:n:stop` freezes it then, as SIGSTOP does.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn crash_point(_name: &'static str) {}

#[cfg(feature = "crash-points")]
pub use armed::crash_point;

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, raise};

    struct Armed {
        name: String,
        /// How many more times it is passed unharmed.
        left: AtomicU64,
        signal: Signal,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var("CRASH_POINT").ok()?;
        let mut parts = text.split(':');
        let name = parts.next()?.to_owned();
        let times: Option<u64> = parts.next().and_then(|times| times.parse().ok());
        let Some(times) = times.filter(|times| *times > 0) else {
            crate::settings::refuse("CRASH_POINT", "it must be name:times or name:times:stop");
        };
        let signal = match parts.next() {
            Some("stop") => Signal::SIGSTOP,
            _ => Signal::SIGKILL,
        };
        Some(Armed {
            name,
            left: AtomicU64::new(times),
            signal,
        })
    });

    /// See the function of the same name in builds without the feature.
    pub fn crash_point(name: &'static str) {
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.name == name) else {
            return;
        };
        if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // It comes back from SIGSTOP only; from SIGKILL nothing does.
            let _ = raise(armed.signal);
        }
    }
}
