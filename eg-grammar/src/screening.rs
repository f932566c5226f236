//! Decides whether a request may use a port that serves programs on this machine, so that no web page can use the port
//! through a browser. Callers read the headers, know what their port serves, and answer refusals.
//!
//! A browser sends requests of any page to `localhost`, and marks them: `Origin` and `Sec-Fetch-Site` say where the page is
//! from. A page whose name its owner has pointed to 127.0.0.1 (DNS rebinding) has the port's own origin, but calls the port
//! by a foreign name, in `Host`. Programs send neither mark, and use a name of the machine.

use std::fmt;
use std::net::IpAddr;

use crate::cors::split_port;
use crate::{Mistake, printable};

/// The headers that [`Visit::read`] needs, in lower case.
const HOST: &str = "host";
const ORIGIN: &str = "origin";
const FETCH_SITE: &str = "sec-fetch-site";
const FETCH_MODE: &str = "sec-fetch-mode";

/// The names under which a port may be called: `localhost`, names that end in `.localhost`, the loopback addresses, the
/// address that the port listens on, and the names that the operator adds.
#[derive(Debug, Clone)]
pub struct OwnNames {
    listens_on: IpAddr,
    names: Vec<Name>,
}

#[derive(Debug, Clone)]
struct Name {
    /// In lower case.
    text: String,
    /// Whether it stands for the names below it, and not for itself.
    below: bool,
    /// Whether pages under this name may use the port.
    pages: bool,
}

/// What a request says about where it is from.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    fetch_site: Option<&'a str>,
    navigates: bool,
}

/// The reason why a port does not serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// The request calls the port by this name, which is none of its names.
    Host(String),
    /// A page of this origin sent the request.
    Origin(String),
    /// A page of another site sent the request.
    Site,
}

impl OwnNames {
    /// Returns the names of a port that listens on this address. If it listens on all addresses of the machine, each
    /// address is a name of the port.
    #[must_use]
    pub fn new(listens_on: IpAddr) -> Self {
        Self { listens_on, names: Vec::new() }
    }

    /// Adds a name: a host like `dev.example`, all hosts below one like `*.dev.example`, or an address. Pages under this
    /// name may use the port, too.
    ///
    /// # Errors
    /// Fails if it has another form, for example a port.
    pub fn allow(self, name: &str) -> Result<Self, Mistake> {
        self.add(name, true)
    }

    /// Adds a name like [`allow`](Self::allow), without the pages under it.
    ///
    /// # Errors
    /// Fails if it has another form.
    pub fn called(self, name: &str) -> Result<Self, Mistake> {
        self.add(name, false)
    }

    fn add(mut self, name: &str, pages: bool) -> Result<Self, Mistake> {
        let (below, host) = name.strip_prefix("*.").map_or((false, name), |host| (true, host));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !is_name && (below || host.parse::<IpAddr>().is_err()) {
            return Err(Mistake::new(format!(
                "`{name}` is not a host: write a name like `dev.example` or `*.dev.example`, or an address, without a port"
            )));
        }
        self.names.push(Name { text: host.to_ascii_lowercase(), below, pages });
        Ok(self)
    }

    /// Checks that the request calls the port by one of its names. A request without a host is of HTTP/1.0, which no
    /// browser uses.
    ///
    /// # Errors
    /// Returns the foreign host.
    pub fn check_host(&self, visit: &Visit<'_>) -> Result<(), Foreign> {
        let Some(sent) = visit.host.filter(|host| !host.is_empty()) else { return Ok(()) };
        let own = split_port(sent).is_some_and(|(host, _)| self.is_own(host));
        if own { Ok(()) } else { Err(Foreign::Host(sent.to_owned())) }
    }

    /// Checks that no page from elsewhere sent the request. A page is the port's own if it has the host and the port that
    /// the request calls, or a name that was [allowed](Self::allow).
    ///
    /// # Errors
    /// Returns what is foreign.
    pub fn check_page(&self, visit: &Visit<'_>) -> Result<(), Foreign> {
        match visit.origin {
            Some(origin) if self.allows_page(origin) => return Ok(()),
            Some(origin) if !is_same_origin(origin, visit.host) => {
                return Err(Foreign::Origin(origin.to_owned()));
            }
            _ => {}
        }
        // `none`: the user entered the address.
        match visit.fetch_site {
            None | Some("none" | "same-origin") => Ok(()),
            Some(_) => Err(Foreign::Site),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        if let Some(address) = address_of(host) {
            // Rebinding needs a name, so addresses are safe.
            return address.is_loopback()
                || self.listens_on.is_unspecified()
                || address == self.listens_on.to_canonical()
                || self.names.iter().any(|name| name.covers(host));
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        host.eq_ignore_ascii_case("localhost")
            || is_below(host, "localhost")
            || self.names.iter().any(|name| name.covers(host))
    }

    /// Checks that a page of this machine sent the request, whatever the page's port, or a page under an
    /// [allowed](Self::allow) name. Programs, which send no origin, are no pages.
    ///
    /// # Errors
    /// Returns the foreign origin.
    pub fn check_local_page(&self, visit: &Visit<'_>) -> Result<(), Foreign> {
        let Some(origin) = visit.origin else { return Ok(()) };
        let host = origin.split_once("://").and_then(|(_, authority)| split_port(authority));
        let is_local = host.is_some_and(|(host, _)| match address_of(host) {
            Some(address) => address.is_loopback(),
            None => host.eq_ignore_ascii_case("localhost") || is_below(host, "localhost"),
        });
        if is_local || self.allows_page(origin) { Ok(()) } else { Err(Foreign::Origin(origin.to_owned())) }
    }

    fn allows_page(&self, origin: &str) -> bool {
        let host = origin.split_once("://").and_then(|(_, authority)| split_port(authority));
        host.is_some_and(|(host, _)| self.names.iter().any(|name| name.pages && name.covers(host)))
    }
}

/// Returns whether a page has the host and port that a request calls.
fn is_same_origin(origin: &str, host: Option<&str>) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    host.is_some_and(|host| without(host, default).eq_ignore_ascii_case(without(authority, default)))
}

impl Name {
    fn covers(&self, host: &str) -> bool {
        match address_of(host) {
            Some(address) => address_of(&self.text) == Some(address),
            None if self.below => is_below(host, &self.text),
            None => host.eq_ignore_ascii_case(&self.text),
        }
    }
}

/// Returns the address that a host is, with or without the brackets of an IPv6 address in a URL.
fn address_of(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Returns an authority without the default port, which browsers leave out and proxies may add.
fn without<'a>(authority: &'a str, port: &str) -> &'a str {
    authority.strip_suffix(port).unwrap_or(authority)
}

/// Returns whether `host` is a name below `domain`, which is in lower case.
fn is_below(host: &str, domain: &str) -> bool {
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    host.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(domain))
        && host[..at].len() > 1
        && host[..at].ends_with('.')
}

impl<'a> Visit<'a> {
    /// Reads the headers of a request: `values` returns all values of the header with a name in lower case. Repeated or
    /// unreadable values count as foreign, because nothing that may use the port sends them.
    #[must_use]
    pub fn read<V: Iterator<Item = &'a [u8]>>(method: &str, values: impl Fn(&'static str) -> V) -> Self {
        let one = |name| {
            let mut values = values(name);
            let first = values.next()?;
            let alone = values.next().is_none();
            Some(std::str::from_utf8(first).ok().filter(|_| alone).unwrap_or("?"))
        };
        Self {
            host: one(HOST),
            origin: one(ORIGIN),
            fetch_site: one(FETCH_SITE),
            navigates: matches!(method, "GET" | "HEAD") && one(FETCH_MODE) == Some("navigate"),
        }
    }

    /// Returns whether the browser says how the page relates to the port, as all browsers do since 2023.
    #[must_use]
    pub fn has_site(&self) -> bool {
        self.fetch_site.is_some()
    }

    /// Returns whether the user follows a link or enters an address: the browser shows the answer, and the page with the
    /// link cannot read it.
    #[must_use]
    pub fn navigates(&self) -> bool {
        self.navigates && self.origin.is_none()
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                f,
                "`{}` is not a name of this machine: call localhost, or allow the name with --allowed-host",
                printable(host)
            ),
            Self::Origin(origin) => write!(
                f,
                "pages of `{}` may not send this request: name their origin in the route's `cors`, or their host with \
                 --allowed-host",
                printable(origin)
            ),
            Self::Site => f.write_str(
                "pages of other sites may not send this request: name their origin in the route's `cors`, or their host \
                 with --allowed-host",
            ),
        }
    }
}

impl std::error::Error for Foreign {}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit<'a>(method: &str, headers: &'a [(&'a str, &'a str)]) -> Visit<'a> {
        Visit::read(method, |name| {
            headers.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_bytes())
        })
    }

    fn names(address: &str) -> OwnNames {
        OwnNames::new(address.parse().unwrap())
    }

    #[test]
    fn hosts() {
        let loopback = names("127.0.0.1").allow("Dev.example").unwrap().called("*.app.example").unwrap();
        let (all, one) = (names("0.0.0.0"), names("10.1.2.3").allow("10.9.9.9").unwrap());
        for (host, expected) in [
            ("localhost", [true; 3]),
            ("LOCALHOST:4000", [true; 3]),
            ("localhost.", [true; 3]),
            ("users.localhost:4000", [true; 3]),
            ("127.0.0.1:4000", [true; 3]),
            ("127.8.8.8", [true; 3]),
            ("[::1]:4000", [true; 3]),
            ("[::ffff:127.0.0.1]", [true; 3]),
            ("", [true; 3]),
            ("dev.example:80", [true, false, false]),
            ("a.dev.example", [false; 3]),
            ("a.app.example", [true, false, false]),
            ("a.b.app.example", [true, false, false]),
            ("app.example", [false; 3]),
            (".app.example", [false; 3]),
            ("10.1.2.3:4000", [false, true, true]),
            ("10.9.9.9", [false, true, true]),
            ("[2001:db8::1]", [false, true, false]),
            ("0.0.0.0:4000", [false, true, false]),
            ("evil.example", [false; 3]),
            ("localhost.evil.example", [false; 3]),
            ("evillocalhost", [false; 3]),
            (".localhost", [false; 3]),
            ("127.0.0.1.evil.example", [false; 3]),
            ("user@localhost", [false; 3]),
            ("localhost:4000@evil.example", [false; 3]),
            ("localhost:", [true; 3]),
            ("localhost:x", [false; 3]),
            ("[::1", [false; 3]),
        ] {
            let headers = [("host", host)];
            let found =
                [&loopback, &all, &one].map(|names| names.check_host(&visit("GET", &headers)).is_ok());
            assert_eq!(found, expected, "{host}");
        }
        assert_eq!(loopback.check_host(&visit("GET", &[])), Ok(()));
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(loopback.check_host(&visit("GET", &twice)), Err(Foreign::Host("?".to_owned())));
    }

    #[test]
    fn pages() {
        let names = names("127.0.0.1").allow("shop.example").unwrap().called("*.app.example").unwrap();
        let names = names.allow("10.1.2.3").unwrap().allow("[fd00::1]").unwrap();
        let host = ("host", "localhost:4001");
        let (origin, site) = (|value| ("origin", value), |value| ("sec-fetch-site", value));
        for (headers, expected) in [
            (vec![host], true),
            (vec![host, site("none")], true),
            (vec![host, site("same-origin")], true),
            (vec![host, site("same-site")], false),
            (vec![host, site("cross-site")], false),
            (vec![host, site("of-tomorrow")], false),
            (vec![host, site("none"), site("cross-site")], false),
            (vec![host, origin("http://localhost:4001")], true),
            (vec![host, origin("http://localhost:4001"), site("cross-site")], false),
            (vec![host, origin("http://localhost:3000")], false),
            (vec![host, origin("http://localhost")], false),
            (vec![host, origin("null")], false),
            (vec![host, origin("")], false),
            (vec![host, origin("https://evil.example"), site("same-origin")], false),
            (vec![host, origin("https://shop.example"), site("same-origin")], true),
            (vec![host, origin("https://shop.example:8443"), site("cross-site")], true),
            (vec![host, origin("https://a.app.example")], false),
            (vec![host, origin("http://10.1.2.3:3000")], true),
            (vec![host, origin("http://[fd00::1]:3000"), site("cross-site")], true),
            (vec![host, origin("http://[fd00:0::1]")], true),
            (vec![host, origin("http://[fd00::2]")], false),
            (vec![host, origin("file://localhost:4001")], false),
            (vec![("host", "shop.example:443"), origin("https://shop.example")], true),
            (vec![("host", "shop.example"), origin("http://shop.example:80")], true),
            (vec![origin("http://localhost:4001")], false),
        ] {
            assert_eq!(names.check_page(&visit("POST", &headers)).is_ok(), expected, "{headers:?}");
        }
    }

    #[test]
    fn pages_of_this_machine_are_local_whatever_their_port() {
        let names = names("0.0.0.0");
        for (origin, expected) in [
            (None, true),
            (Some("http://localhost:3000"), true),
            (Some("https://app.localhost"), true),
            (Some("http://127.0.0.1:5173"), true),
            (Some("http://[::1]:8080"), true),
            (Some("http://203.0.113.7"), false),
            (Some("http://192.168.0.2:9001"), false),
            (Some("https://evil.example"), false),
            (Some("http://localhost.evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            let headers: Vec<(&str, &str)> = origin.map(|origin| ("origin", origin)).into_iter().collect();
            assert_eq!(names.check_local_page(&visit("GET", &headers)).is_ok(), expected, "{origin:?}");
        }
    }

    #[test]
    fn links_are_followed() {
        let link = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")];
        let form = [("sec-fetch-mode", "navigate"), ("origin", "https://evil.example")];
        for (method, headers, expected) in [
            ("GET", &link[..], true),
            ("HEAD", &link, true),
            ("POST", &link, false),
            ("GET", &form, false),
            ("GET", &[("sec-fetch-mode", "no-cors")], false),
            ("GET", &[], false),
        ] {
            assert_eq!(visit(method, headers).navigates(), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn names_that_can_be_allowed() {
        for name in ["dev.example", "*.dev.example", "10.0.0.1", "::1", "[::1]", "host_1"] {
            assert!(names("127.0.0.1").allow(name).is_ok(), "{name}");
        }
        for name in ["", "*", "*.", "dev.example:80", "http://dev.example", "a b", "*.::1", "a@b"] {
            assert!(names("127.0.0.1").allow(name).is_err(), "{name}");
        }
    }

    #[test]
    fn messages_say_what_to_do_and_control_no_terminal() {
        let host = Foreign::Host("evil\u{1b}[2J".to_owned()).to_string();
        assert_eq!(
            host,
            r"`evil\u{1b}[2J` is not a name of this machine: call localhost, or allow the name with --allowed-host"
        );
    }
}
