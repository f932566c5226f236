//! URLs of gateways, and the default source of events. Connects to nothing.

use std::fmt;

use http::Uri;
use http::uri::Authority;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Error;

/// The characters to escape in a path that may already contain escapes.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// The characters to escape in a query: all but RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An `http://` or `https://` URL. The `url` crate supports all schemes and alphabets, and is larger than the rest of
/// the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    tls: bool,
    /// The host, with the port if given.
    authority: Authority,
    /// The path and query, starting with a slash.
    target: String,
}

impl Url {
    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns host and port in the form of the `Host` header.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    #[cfg(feature = "tls")]
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    /// Returns the host and port to connect to.
    pub(super) fn address(&self) -> String {
        let port = self.authority.port_u16().unwrap_or(if self.tls { 443 } else { 80 });
        format!("{}:{port}", self.authority.host())
    }

    /// Returns the path and query.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Replaces path and query, which must be well-formed.
    pub(super) fn with_target(self, target: String) -> Self {
        Self { target, ..self }
    }

    /// Appends `path` and escapes its invalid characters.
    pub(super) fn join(&self, path: &str) -> Self {
        let base = self.target.trim_end_matches('/');
        Self { target: format!("{base}{}", utf8_percent_encode(path, PATH)), ..self.clone() }
    }

    /// Escapes `text` as one segment of a path for [`join`](Self::join).
    pub(super) fn segment(text: &str) -> String {
        utf8_percent_encode(text, QUERY).to_string()
    }

    /// Sets the query.
    pub(super) fn with_query<'a>(mut self, pairs: impl Iterator<Item = (String, &'a str)>) -> Self {
        let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        for (at, (name, value)) in pairs.enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            self.target.push_str(&format!("{sign}{}={}", encode(&name), encode(value)));
        }
        self
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.target)
    }
}

pub(super) fn parse_url(url: &str) -> Result<Url, Error> {
    let like =
        |reason: &str| bad_url(url, format!("{reason} (expected something like http://localhost:4000)"));
    let Some((scheme, rest)) = url.trim().split_once(':') else { return Err(like("it names no scheme")) };
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" if cfg!(feature = "tls") => true,
        "https" => {
            return Err(bad_url(url, "this program was built without TLS; turn on feature `tls`".to_owned()));
        }
        other => return Err(bad_url(url, format!("`{other}:` is not supported, use http: or https:"))),
    };
    let rest = rest.trim_start_matches('/');
    let (authority, target) = match rest.find(['/', '?', '#']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    if authority.is_empty() {
        return Err(like("empty host"));
    }
    let authority: Authority = authority.parse().map_err(|e| like(&format!("host and port: {e}")))?;
    if authority.as_str().contains('@') {
        let reason = "names and passwords in it are not sent; set the access key instead";
        return Err(bad_url(url, reason.to_owned()));
    }
    let has_port = authority.as_str().len() > authority.host().len();
    if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
        return Err(like("host and port"));
    }
    // A base URL has no query.
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = utf8_percent_encode(path, PATH).to_string();
    let target = if path.is_empty() { "/".to_owned() } else { path };
    if target.parse::<Uri>().is_err() {
        return Err(like("its path cannot stand in a URL"));
    }
    Ok(Url { tls, authority, target })
}

/// Returns the default URL of the Config API: port 4001 of the same host.
pub(super) fn config_url(url: &str, events: &Url) -> Result<Url, Error> {
    let authority = format!("{}:4001", events.authority.host()).parse();
    let authority = authority.map_err(|_| bad_url(url, "it names no host".to_owned()))?;
    Ok(Url { authority, ..events.clone() })
}

/// Returns `/services/<name of the program>`.
pub(super) fn source() -> String {
    let name = std::env::current_exe().ok().and_then(|path| path.file_stem()?.to_str().map(str::to_owned));
    // A file name may contain any character, but a source must be a URI reference.
    let in_uri = |c: char| if c.is_ascii_alphanumeric() || "-._~".contains(c) { c } else { '-' };
    let name: String = name.as_deref().unwrap_or("unknown").chars().map(in_uri).collect();
    format!("/services/{name}")
}

fn bad_url(url: &str, reason: String) -> Error {
    Error::Url { url: url.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::parse_url;

    #[test]
    fn addresses() {
        for (url, address, shown) in [
            ("http://localhost:4000", "localhost:4000", "http://localhost:4000/"),
            ("HTTP://localhost", "localhost:80", "http://localhost/"),
            (" http://h/base/ ", "h:80", "http://h/base/"),
            ("http://[::1]:4000/a b?x#y", "[::1]:4000", "http://[::1]:4000/a%20b"),
            ("http://h/ä%2F", "h:80", "http://h/%C3%A4%2F"),
        ] {
            let parsed = parse_url(url).unwrap();
            assert_eq!((parsed.address().as_str(), parsed.to_string().as_str()), (address, shown), "{url}");
        }
        for url in
            ["http://h:99999", "http://:80", "http://a b", "http://user:secret@h", "http://bücher", "//h"]
        {
            assert!(parse_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn paths_and_queries_are_appended() {
        let base = parse_url("http://h/base/").unwrap();
        assert_eq!(base.join("/a%2Fb/c d?").to_string(), "http://h/base/a%2Fb/c%20d%3F");
        assert_eq!(base.join("/").to_string(), "http://h/base/");
        let pairs = [("metadata.a b".to_owned(), "1&2"), ("c".to_owned(), "ä")];
        let query = base.join("/x").with_query(pairs.into_iter());
        assert_eq!(query.to_string(), "http://h/base/x?metadata.a%20b=1%262&c=%C3%A4");
    }
}
