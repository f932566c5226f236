//! The requests to a local port that programs and web pages can send: 1,024 combinations of host, origin, site, method and
//! content type. The tests of each port send all of them and compare what took effect.

use reqwest::{Client, Method, RequestBuilder};

/// The methods. Each port has its own operation for each of them.
pub const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];

const HOSTS: [&str; 4] =
    ["localhost:{port}", "127.0.0.1:{port}", "evil.example", "localhost.evil.example:{port}"];

const ORIGINS: [Option<&str>; 4] = [None, Some("http://{host}"), Some("https://evil.example"), Some("null")];

const SITES: [Option<&str>; 4] = [None, Some("same-origin"), Some("same-site"), Some("cross-site")];

const CONTENT_TYPES: [Option<&str>; 4] = [
    None,
    Some("application/json"),
    Some("text/plain;charset=UTF-8"),
    Some("application/x-www-form-urlencoded"),
];

/// One combination.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Its number, from 0 to 1,023.
    pub number: usize,
    /// The method.
    pub method: Method,
    /// Whether a page from elsewhere could have sent it.
    pub is_foreign: bool,
    /// Whether the content type, if there is one, is JSON.
    pub is_json: bool,
    headers: Vec<(&'static str, String)>,
}

/// Returns all combinations for a port.
#[must_use]
pub fn all(port: u16) -> Vec<Visit> {
    let mut visits = Vec::new();
    for method in METHODS {
        for (at, host) in HOSTS.into_iter().enumerate() {
            let own_host = at < 2;
            let host = host.replace("{port}", &port.to_string());
            for (at, origin) in ORIGINS.into_iter().enumerate() {
                let own_origin = at < 2;
                for (at, site) in SITES.into_iter().enumerate() {
                    let own_site = at < 2;
                    for content_type in CONTENT_TYPES {
                        let mut headers = vec![("host", host.clone())];
                        headers.extend(origin.map(|origin| ("origin", origin.replace("{host}", &host))));
                        headers.extend(site.map(|site| ("sec-fetch-site", site.to_owned())));
                        headers.extend(content_type.map(|ty| ("content-type", ty.to_owned())));
                        visits.push(Visit {
                            number: visits.len(),
                            method: method.clone(),
                            is_foreign: !(own_host && own_origin && own_site),
                            is_json: matches!(content_type, None | Some("application/json")),
                            headers,
                        });
                    }
                }
            }
        }
    }
    visits
}

impl Visit {
    /// Returns the request to a URL on `127.0.0.1`.
    pub fn request(&self, client: &Client, url: &str) -> RequestBuilder {
        let request = client.request(self.method.clone(), url);
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }
}

/// Returns the port in a URL.
///
/// # Panics
/// If it has none.
#[must_use]
pub fn port(url: &str) -> u16 {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    port.expect("the URL ends in a port")
}
