//! The page as it is sent: with the gateway's address in it, and the headers that tell browsers what it may do.

use eg_runtime::{Error, IntoResponse, Response, Uri};

const HTML: &str = include_str!("page.html");

/// What stands in the page for the gateway's address.
const PLACE: &str = "{gateway}";

/// The page. Clones share nothing, and are few.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    html: String,
    policy: String,
}

impl Page {
    /// The page for the gateway at `url`, as browsers reach it; empty where the page itself comes from it.
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let origin = origin(url).ok_or_else(|| {
            Error::reject(format!(
                "WEB_GATEWAY_URL is `{url}`: set it to where browsers reach the gateway, like `https://events.example`, \
                 or leave it out where the page comes from there as well"
            ))
        })?;
        let others = if origin.is_empty() { String::new() } else { format!(" {origin}") };
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'{others}; \
             form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        );
        Ok(Self { html: HTML.replace(PLACE, &origin), policy })
    }
}

/// The origin of a URL without path; of nothing, nothing. Its characters mean nothing in HTML or in a policy.
fn origin(url: &str) -> Option<String> {
    if url.is_empty() {
        return Some(String::new());
    }
    let uri: Uri = url.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
    let plain = authority.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c));
    let web = matches!(scheme, "http" | "https") && uri.path() == "/" && uri.query().is_none();
    (web && plain).then(|| format!("{scheme}://{authority}"))
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", &self.policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-cache"),
        ];
        (headers, self.html).into_response()
    }
}
