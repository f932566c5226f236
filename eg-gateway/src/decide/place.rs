//! Represents the space of a request and its path within that space, and reads the space from the host. `router` reads
//! it from the path.

/// Stands for the spaces that have no resources, in counters and metrics. Clients may name any number of them.
pub(crate) const OTHER_SPACES: &str = "(other)";

/// The space and the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) space: String,
    /// Still percent-encoded, without the prefix `/spaces/<space>`.
    pub(crate) path: String,
    pub(crate) named: Named,
}

/// What determines the space of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// Nothing: it is the default space.
    No,
    /// The start of the path.
    Path,
    /// The host. Clients of the hosted original put the name of the space before the paths of subscriptions, but not
    /// before those of requests.
    Host,
}

/// Returns the space that a `Host` names: the only label before `domain`. Other hosts that merely contain the domain
/// name no space.
pub(crate) fn space_of_host(host: &str, domain: &str) -> Option<String> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let label = host.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.')?;
    let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (!label.is_empty() && label.bytes().all(valid)).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (host, expected) in [
            ("acme.events.example", Some("acme")),
            ("acme.events.example:4000", Some("acme")),
            ("ACME-app.Events.Example.", Some("acme-app")),
            ("events.example", None),
            (".events.example", None),
            ("a.b.events.example", None),
            ("acme.events.example.evil", None),
            ("acmeevents.example", None),
            ("evil/acme.events.example", None),
            ("acme.eventsXexample", None),
            ("localhost:4000", None),
            ("[::1]:4000", None),
            ("", None),
        ] {
            assert_eq!(space_of_host(host, "events.example").as_deref(), expected, "{host}");
        }
    }
}
