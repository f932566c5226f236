//! Addresses of gateways, and the name of this program as the source of events. Connects to nothing.

use reqwest::Url;

use super::Error;

pub(super) fn parse_url(url: &str) -> Result<Url, Error> {
    let parsed = Url::parse(url)
        .map_err(|e| bad_url(url, format!("{e} (expected something like http://localhost:4000)")))?;
    match parsed.scheme() {
        "http" => Ok(parsed),
        "https" if cfg!(feature = "tls") => Ok(parsed),
        "https" => Err(bad_url(url, "this program was built without TLS; turn on feature `tls`".to_owned())),
        other => Err(bad_url(url, format!("`{other}:` is not supported, use http: or https:"))),
    }
}

/// Where the Config API is when nothing says so: on port 4001 of the same host.
pub(super) fn config_url(url: &str, events: &Url) -> Result<Url, Error> {
    let mut config = events.clone();
    config.set_port(Some(4001)).map_err(|()| bad_url(url, "it names no host".to_owned()))?;
    Ok(config)
}

/// `/services/<name of the program>`.
pub(super) fn source() -> String {
    let name = std::env::current_exe().ok().and_then(|path| path.file_stem()?.to_str().map(str::to_owned));
    // A file may be called anything; a source is a URI reference.
    let in_uri = |c: char| if c.is_ascii_alphanumeric() || "-._~".contains(c) { c } else { '-' };
    let name: String = name.as_deref().unwrap_or("unknown").chars().map(in_uri).collect();
    format!("/services/{name}")
}

fn bad_url(url: &str, reason: String) -> Error {
    Error::Url { url: url.to_owned(), reason }
}
