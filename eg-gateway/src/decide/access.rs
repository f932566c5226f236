//! Decides by access keys which clients may configure and emit, also while no key is set. `api::guard` reads the keys
//! from requests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use eg_sdk::config::Secret;
use subtle::ConstantTimeEq as _;

/// The keys that clients present as `Authorization: Bearer <key>`.
///
/// While no key is set, the Config API serves only clients on the same machine. As soon as any key is set, everything that
/// belongs to no space, such as metrics and the live feed, needs `all`. A space without a key, and without `all`, stays
/// open to clients on the same machine.
#[derive(Debug, Clone, Default)]
pub struct AccessKeys {
    /// The key for all spaces, and for everything that belongs to no space.
    pub all: Option<Secret>,
    /// A key that reads what `all` opens, and changes nothing. Only together with `all`.
    pub reading: Option<Secret>,
    /// The keys for single spaces.
    pub spaces: BTreeMap<String, Secret>,
    /// Whether emitting events requires a key too. If so, no client can emit into a space without a key.
    pub events: bool,
}

/// The reason why a client is refused. The first two texts are those of the hosted original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("API key not set.")]
    Missing,
    #[error("You're not authorized to access this resource.")]
    Wrong,
    #[error("this access key only reads: changes need the key of --access-key")]
    OnlyReads,
    #[error(
        "the Config API answers only clients on its own machine while no access key is set: start the gateway with \
         --access-key"
    )]
    NotLocal,
}

impl AccessKeys {
    /// Checks that a client may configure `space`, or only read it; `None` stands for everything that belongs to no space.
    /// `local` says whether the client is on this machine.
    pub(crate) fn configure(
        &self,
        space: Option<&str>,
        presented: Option<&str>,
        local: bool,
        reads: bool,
    ) -> Result<(), Denial> {
        if !self.protect(space) {
            return if local { Ok(()) } else { Err(Denial::NotLocal) };
        }
        let is_reader = self.reading.iter().zip(presented).any(|(key, presented)| is_same(key, presented));
        match self.check(space, presented) {
            Err(Denial::Wrong) if is_reader => {
                if reads {
                    Ok(())
                } else {
                    Err(Denial::OnlyReads)
                }
            }
            checked => checked,
        }
    }

    /// Returns whether configuring `space` needs a key.
    pub(crate) fn protect(&self, space: Option<&str>) -> bool {
        match space {
            Some(_) => self.of(space).next().is_some(),
            None => self.all.is_some() || !self.spaces.is_empty(),
        }
    }

    /// Checks that a client may emit events into `space`.
    pub(crate) fn emit(&self, space: &str, presented: Option<&str>) -> Result<(), Denial> {
        if self.events { self.check(Some(space), presented) } else { Ok(()) }
    }

    fn check(&self, space: Option<&str>, presented: Option<&str>) -> Result<(), Denial> {
        let presented = presented.ok_or(Denial::Missing)?;
        if self.of(space).any(|key| is_same(key, presented)) { Ok(()) } else { Err(Denial::Wrong) }
    }

    /// Returns the keys that give access to `space`.
    fn of(&self, space: Option<&str>) -> impl Iterator<Item = &Secret> {
        self.all.iter().chain(space.and_then(|space| self.spaces.get(space)))
    }
}

fn is_same(key: &Secret, presented: &str) -> bool {
    key.expose().as_bytes().ct_eq(presented.as_bytes()).into()
}

/// Returns the key in an `Authorization` header: the bearer token, or the access key id of an AWS client, which cannot
/// send a bearer token. The signature of an AWS client is not checked.
pub(crate) fn presented(authorization: &str) -> Option<&str> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim()).filter(|key| !key.is_empty());
    }
    let credential = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
    // The scope of the signature follows the id: date, region, service, and a constant.
    let id = credential.rsplitn(5, '/').nth(4)?;
    (scheme == "AWS4-HMAC-SHA256" && !id.is_empty()).then_some(id)
}

/// Returns whether a client is on this machine. A forwarded request never counts as local, wherever the proxy is.
pub(crate) fn is_local(peer: Option<IpAddr>, forwarded: bool) -> bool {
    peer.is_some_and(|peer| peer.to_canonical().is_loopback()) && !forwarded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(all: Option<&str>, spaces: &[(&str, &str)]) -> AccessKeys {
        let space = |(space, key): &(&str, &str)| ((*space).to_owned(), Secret::from(*key));
        let (all, spaces) = (all.map(Secret::from), spaces.iter().map(space).collect());
        AccessKeys { all, reading: None, spaces, events: true }
    }

    #[test]
    fn configuring() {
        let (none, both) = (keys(None, &[]), keys(Some("root"), &[("a", "ka")]));
        let only_a = keys(None, &[("a", "ka")]);
        for (keys, space, presented, local, expected) in [
            (&none, Some("a"), None, true, Ok(())),
            (&none, None, None, true, Ok(())),
            (&none, Some("a"), None, false, Err(Denial::NotLocal)),
            (&none, Some("a"), Some("x"), false, Err(Denial::NotLocal)),
            (&both, Some("a"), None, true, Err(Denial::Missing)),
            (&both, Some("a"), Some(""), true, Err(Denial::Wrong)),
            (&both, Some("a"), Some("rootx"), true, Err(Denial::Wrong)),
            (&both, Some("a"), Some("root"), false, Ok(())),
            (&both, Some("a"), Some("ka"), false, Ok(())),
            (&both, Some("b"), Some("ka"), true, Err(Denial::Wrong)),
            (&both, None, Some("ka"), true, Err(Denial::Wrong)),
            (&both, None, Some("root"), true, Ok(())),
            (&only_a, Some("b"), None, true, Ok(())),
            (&only_a, None, None, true, Err(Denial::Missing)),
            (&only_a, None, Some("ka"), true, Err(Denial::Wrong)),
            (&only_a, Some("b"), Some("ka"), false, Err(Denial::NotLocal)),
        ] {
            for reads in [true, false] {
                let found = keys.configure(space, presented, local, reads);
                assert_eq!(found, expected, "{space:?} {presented:?} local: {local} with {keys:?}");
            }
        }
    }

    #[test]
    fn a_key_that_only_reads_changes_nothing() {
        let keys = AccessKeys { reading: Some(Secret::from("look")), ..keys(Some("root"), &[("a", "ka")]) };
        for space in [None, Some("a"), Some("b")] {
            for (presented, reads, expected) in [
                ("look", true, Ok(())),
                ("look", false, Err(Denial::OnlyReads)),
                ("lookx", true, Err(Denial::Wrong)),
                ("root", false, Ok(())),
            ] {
                let found = keys.configure(space, Some(presented), true, reads);
                assert_eq!(found, expected, "{space:?} {presented} {reads}");
            }
        }
        assert_eq!(keys.emit("a", Some("look")), Err(Denial::Wrong));
    }

    #[test]
    fn emitting() {
        let closed = keys(Some("root"), &[("a", "ka")]);
        let open = AccessKeys { events: false, ..closed.clone() };
        for (keys, space, presented, expected) in [
            (&open, "a", None, Ok(())),
            (&closed, "a", None, Err(Denial::Missing)),
            (&closed, "a", Some("ka"), Ok(())),
            (&closed, "b", Some("ka"), Err(Denial::Wrong)),
            (&closed, "b", Some("root"), Ok(())),
            (&self::keys(None, &[]), "b", Some("root"), Err(Denial::Wrong)),
        ] {
            assert_eq!(keys.emit(space, presented), expected, "{space} {presented:?}");
        }
    }

    #[test]
    fn presented_keys() {
        let aws = "AWS4-HMAC-SHA256 Credential=my/key/20260102/eu/events/aws4_request, SignedHeaders=host, Signature=0";
        for (header, expected) in [
            ("Bearer key", Some("key")),
            ("bearer  a b ", Some("a b")),
            ("Basic key", None),
            ("key", None),
            ("Bearer ", None),
            ("", None),
            (aws, Some("my/key")),
            ("AWS4-HMAC-SHA256 Credential=key", None),
            ("Other Credential=key/20260102/eu/events/aws4_request", None),
        ] {
            assert_eq!(presented(header), expected, "{header}");
        }
    }

    #[test]
    fn local_clients() {
        for (peer, local) in [
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.168.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("0.0.0.0", false),
        ] {
            let peer = Some(peer.parse().unwrap());
            assert_eq!(is_local(peer, false), local, "{peer:?}");
            assert!(!is_local(peer, true), "{peer:?} behind a proxy");
        }
        assert!(!is_local(None, false));
    }
}
