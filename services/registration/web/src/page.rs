//! Builds the page's response: the HTML with the gateway's address, and the security headers.

use eg_runtime::{Error, IntoResponse, Response, Uri};

const HTML: &str = include_str!("page.html");

/// The placeholder for the gateway's address.
const PLACE: &str = "{gateway}";

/// The page and its content security policy.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    html: String,
    policy: String,
}

impl Page {
    /// Creates the page for the gateway at `url`, as browsers reach it; empty if the gateway itself serves the page.
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

/// Returns the origin of a URL without a path; empty for an empty URL. Refuses characters with a meaning in HTML or
/// in a policy.
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
