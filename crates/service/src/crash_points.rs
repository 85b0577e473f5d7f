//! Named places in the code, between two steps whose order matters, where a fault run kills or freezes a service, or has a task
//! panic. Only builds with the feature `crash-points` have them; released programs do not.

/// Kills or freezes the process, or panics, if `CRASH_POINT` names this place: at the n-th pass, `name:n` sends SIGKILL,
/// `name:n:stop` sends SIGSTOP, and `name:n:panic` panics.
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
        /// Passes left until the signal.
        passes_left: AtomicU64,
        effect: Effect,
    }

    enum Effect {
        Signal(Signal),
        Panic,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var("CRASH_POINT").ok()?;
        let mut parts = text.split(':');
        let name = parts.next()?.to_owned();
        let times: Option<u64> = parts.next().and_then(|times| times.parse().ok());
        let Some(times) = times.filter(|times| *times > 0) else {
            crate::settings::refuse(
                "CRASH_POINT",
                "it must be name:times, name:times:stop or name:times:panic",
            );
        };
        let effect = match parts.next() {
            Some("stop") => Effect::Signal(Signal::SIGSTOP),
            Some("panic") => Effect::Panic,
            _ => Effect::Signal(Signal::SIGKILL),
        };
        Some(Armed {
            name,
            passes_left: AtomicU64::new(times),
            effect,
        })
    });

    /// See the function in builds without the feature.
    pub fn crash_point(name: &'static str) {
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.name == name) else {
            return;
        };
        if armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            match armed.effect {
                // Returns after SIGCONT; SIGKILL does not return.
                Effect::Signal(signal) => drop(raise(signal)),
                Effect::Panic => panic!("crash point {name}"),
            }
        }
    }
}
