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
    #[error(
        "the Config API answers only clients on its own machine while no access key is set: start the gateway with \
         --access-key"
    )]
    NotLocal,
}

impl AccessKeys {
    /// Checks that a client may configure `space`; `None` stands for everything that belongs to no space. `local`
    /// says whether the client is on this machine.
    pub(crate) fn configure(
        &self,
        space: Option<&str>,
        presented: Option<&str>,
        local: bool,
    ) -> Result<(), Denial> {
        if !self.protect(space) {
            return if local { Ok(()) } else { Err(Denial::NotLocal) };
        }
        self.check(space, presented)
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
        let same = |key: &Secret| bool::from(key.expose().as_bytes().ct_eq(presented.as_bytes()));
        if self.of(space).any(same) { Ok(()) } else { Err(Denial::Wrong) }
    }

    /// Returns the keys that give access to `space`.
    fn of(&self, space: Option<&str>) -> impl Iterator<Item = &Secret> {
        self.all.iter().chain(space.and_then(|space| self.spaces.get(space)))
    }
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
        AccessKeys { all: all.map(Secret::from), spaces: spaces.iter().map(space).collect(), events: true }
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
            let found = keys.configure(space, presented, local);
            assert_eq!(found, expected, "{space:?} {presented:?} local: {local} with {keys:?}");
        }
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
