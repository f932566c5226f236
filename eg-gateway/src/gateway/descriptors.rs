//! Raises the process's limit of file descriptors, and divides them among the connections of the APIs. The rest is for the
//! store and for connections to functions.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit to ask for where the system allows any number but refuses very large ones, as macOS does.
const PLENTY: u64 = 10_240;

/// The descriptors for files, timers and listening sockets.
const OWN: u64 = 64;

/// The number of connections that each API may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) events: usize,
    /// Each of the Config API and the Connections API has so many.
    pub(super) config: usize,
}

/// Raises the limit as far as the process may, and returns how many connections there are descriptors for: at most `wanted`
/// for each API.
pub(super) fn places(wanted: usize) -> Places {
    let limit = raise();
    let places = divide(limit, wanted);
    if places.events < wanted {
        tracing::info!(
            descriptors = limit,
            connections = places.events,
            "the process may open too few files for --max-connections; raise its limit (ulimit -n)"
        );
    }
    places
}

/// Raises the limit, and returns it.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(PLENTY);
    let Some(limit) = current else { return u64::MAX };
    if limit < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
        return wanted;
    }
    limit
}

/// Divides `limit` descriptors: half for the Events API, an eighth for each of the other APIs, the rest for calls.
fn divide(limit: u64, wanted: usize) -> Places {
    let usable = limit.saturating_sub(OWN);
    let part = |part: u64| usize::try_from(part).unwrap_or(usize::MAX).min(wanted).max(1);
    Places { events: part(usable / 2), config: part(usable / 8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_divided() {
        for (limit, wanted, events, config) in [
            (u64::MAX, 4096, 4096, 4096),
            (20_000, 4096, 4096, 2492),
            (1024, 4096, 480, 120),
            (256, 4096, 96, 24),
            (10, 4096, 1, 1),
            (1024, 2, 2, 2),
        ] {
            assert_eq!(divide(limit, wanted), Places { events, config }, "{limit} {wanted}");
        }
    }
}
