//! Turns a CORS configuration into response headers. As in the original, a refusal is a missing header, never a status.
//! `router` finds the configuration, and `eg_grammar::cors` has the rule for origins.

use std::sync::Arc;

use eg_grammar::cors::{EVERY_ORIGIN, NO_ORIGIN, covers};
use eg_sdk::config::Cors;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::headers::canonical;

/// The CORS part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// The response consists of these headers.
    Preflight(HeaderMap),
    /// These headers are added to the response, whatever it is. `allowed` says whether the page that sent the request may
    /// send it.
    Actual { headers: HeaderMap, allowed: bool },
}

/// Returns the CORS part of the response to a request. `find` returns the configuration for a method at the request's
/// path. Without a configuration there are no CORS headers, and a preflight is a request like any other. With `strict`,
/// every page may send credentials to a route that allows them to `*`, as in the original.
pub(crate) fn access(
    method: &Method,
    headers: &HeaderMap,
    strict: bool,
    find: impl Fn(&str) -> Option<Arc<Cors>>,
) -> Option<Access> {
    let asked = text(headers, &header::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS);
    match asked {
        Some(asked) => find(asked).map(|cors| Access::Preflight(preflight(&cors, asked, headers, strict))),
        None => find(method.as_str()).map(|cors| actual(&cors, method, headers, strict)),
    }
}

fn preflight(cors: &Cors, method: &str, headers: &HeaderMap, strict: bool) -> HeaderMap {
    let mut answer = HeaderMap::new();
    for vary in ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"] {
        answer.append(header::VARY, HeaderValue::from_static(vary));
    }
    let requested = requested_headers(headers);
    let allowed = allows_method(cors, method) && requested.iter().all(|name| allows_header(cors, name));
    let Some(origin) = headers.get(header::ORIGIN).filter(|origin| allowed && allows_origin(cors, origin))
    else {
        return answer;
    };
    allow(cors, origin, strict, &mut answer);
    set(&mut answer, header::ACCESS_CONTROL_ALLOW_METHODS, &method.to_ascii_uppercase());
    if !requested.is_empty() {
        set(&mut answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &requested.join(", "));
    }
    answer
}

fn actual(cors: &Cors, method: &Method, headers: &HeaderMap, strict: bool) -> Access {
    let mut answer = HeaderMap::new();
    if method == Method::OPTIONS {
        return Access::Actual { headers: answer, allowed: false };
    }
    answer.append(header::VARY, HeaderValue::from_static("Origin"));
    let origin = headers.get(header::ORIGIN);
    // Browsers leave out the origin of pages that cannot read the answer.
    let allowed = allows_method(cors, method.as_str())
        && origin.map_or_else(|| allows_everyone(cors), |origin| allows_origin(cors, origin));
    if let Some(origin) = origin.filter(|_| allowed) {
        allow(cors, origin, strict, &mut answer);
    }
    Access::Actual { headers: answer, allowed }
}

fn allow(cors: &Cors, origin: &HeaderValue, strict: bool, answer: &mut HeaderMap) {
    let everyone = allows_everyone(cors);
    // Browsers refuse `*` together with credentials. Only the original repeated the origin of any page with them.
    let credentials = cors.allow_credentials && (strict || !everyone);
    if everyone && !credentials {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(EVERY_ORIGIN));
    } else if origin != NO_ORIGIN {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    if credentials {
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn allows_everyone(cors: &Cors) -> bool {
    cors.allowed_origins.iter().any(|allowed| allowed == EVERY_ORIGIN)
}

fn allows_origin(cors: &Cors, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    cors.allowed_origins.iter().any(|allowed| covers(allowed, origin))
}

fn allows_method(cors: &Cors, method: &str) -> bool {
    // The configuration applies to the requested method, not to OPTIONS.
    method.eq_ignore_ascii_case("OPTIONS")
        || cors.allowed_methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method))
}

fn allows_header(cors: &Cors, name: &str) -> bool {
    name.eq_ignore_ascii_case("origin")
        || cors.allowed_headers.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(name))
}

/// Returns the headers that a preflight asks for, in canonical spelling.
fn requested_headers(headers: &HeaderMap) -> Vec<String> {
    let list = text(headers, &header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let names = list.split([',', ' ']).filter(|name| !name.is_empty());
    names.map(|name| canonical(&name.to_ascii_lowercase())).collect()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

fn set(answer: &mut HeaderMap, name: HeaderName, value: &str) {
    // A value of an incoming header is a valid value of an outgoing one.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], methods: &[&str], headers: &[&str], credentials: bool) -> Cors {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        let mut cors = Cors::new("GET", "/");
        cors.allowed_origins = list(origins);
        cors.allowed_methods = list(methods);
        cors.allowed_headers = list(headers);
        cors.allow_credentials = credentials;
        cors
    }

    /// Sends `headers` and compares those of the answer, written as `name: value` and sorted. `Vary` is only counted.
    fn check(cors: &Cors, method: &Method, headers: &[(HeaderName, &str)], expected: &[&str]) {
        let sent = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let found = access(method, &sent.collect(), false, |_| Some(Arc::new(cors.clone()))).unwrap();
        let vary = match &found {
            Access::Preflight(_) => 3,
            Access::Actual { .. } if method == Method::OPTIONS => 0,
            Access::Actual { .. } => 1,
        };
        let (Access::Preflight(answer) | Access::Actual { headers: answer, .. }) = found;
        assert_eq!(answer.get_all(header::VARY).iter().count(), vary, "{headers:?}");
        let mut lines: Vec<String> = answer
            .iter()
            .filter(|(name, _)| *name != header::VARY)
            .map(|(name, value)| {
                format!(
                    "{}: {}",
                    name.as_str().trim_start_matches("access-control-allow-"),
                    value.to_str().unwrap()
                )
            })
            .collect();
        lines.sort();
        assert_eq!(lines, expected, "{method} {headers:?} with {cors:?}");
    }

    #[test]
    fn preflights() {
        let open = cors(&["*"], &["GET", "post"], &["Origin", "Accept", "Content-Type"], false);
        let strict = cors(&["https://A.example", "http://*.b.example"], &["PUT"], &["x-token"], true);
        let any = cors(&["*"], &["GET"], &["*"], true);
        let ask = |cors: &Cors, origin: &str, method: &str, names: &str, expected: &[&str]| {
            let mut headers = vec![(header::ACCESS_CONTROL_REQUEST_METHOD, method)];
            for (name, value) in [(header::ORIGIN, origin), (header::ACCESS_CONTROL_REQUEST_HEADERS, names)] {
                if !value.is_empty() {
                    headers.push((name, value));
                }
            }
            check(cors, &Method::OPTIONS, &headers, expected);
        };
        ask(&open, "https://x", "GET", "", &["methods: GET", "origin: *"]);
        ask(
            &open,
            "https://x",
            "POST",
            "content-type,ACCEPT",
            &["headers: Content-Type, Accept", "methods: POST", "origin: *"],
        );
        ask(&open, "https://x", "PUT", "", &[]);
        ask(&open, "https://x", "GET", "x-other", &[]);
        ask(&open, "", "GET", "", &[]);
        ask(
            &strict,
            "https://a.example",
            "PUT",
            "X-Token, origin",
            &["credentials: true", "headers: X-Token, Origin", "methods: PUT", "origin: https://a.example"],
        );
        ask(
            &strict,
            "http://w.b.example",
            "PUT",
            "",
            &["credentials: true", "methods: PUT", "origin: http://w.b.example"],
        );
        ask(&strict, "http://b.example", "PUT", "", &[]);
        ask(&strict, "https://a.example.evil", "PUT", "", &[]);
        ask(&any, "https://x", "GET", "a b", &["headers: A, B", "methods: GET", "origin: *"]);
    }

    #[test]
    fn actual_requests() {
        let open = cors(&["*"], &["GET"], &[], false);
        let with_cookies = cors(&["https://a"], &["GET"], &[], true);
        let from = |origin| vec![(header::ORIGIN, origin)];
        check(&open, &Method::GET, &from("https://x"), &["origin: *"]);
        check(&open, &Method::GET, &[], &[]);
        check(&open, &Method::DELETE, &from("https://x"), &[]);
        check(&open, &Method::OPTIONS, &from("https://x"), &[]);
        check(&with_cookies, &Method::GET, &from("https://A"), &["credentials: true", "origin: https://A"]);
        check(&with_cookies, &Method::GET, &from("https://b"), &[]);
        let all_with_cookies = cors(&["*"], &["GET"], &[], true);
        check(&all_with_cookies, &Method::GET, &from("https://x"), &["origin: *"]);
        check(&open, &Method::GET, &from("null"), &["origin: *"]);
        let ports = cors(&["http://localhost:*"], &["GET"], &[], false);
        check(&ports, &Method::GET, &from("http://localhost:3000"), &["origin: http://localhost:3000"]);
        check(&ports, &Method::GET, &from("http://localhost.evil.com"), &[]);
    }

    /// The original repeated the origin of any page to a route with `*` and credentials.
    #[test]
    fn strict_credentials_for_everyone() {
        let cors = Arc::new(cors(&["*"], &["GET"], &[], true));
        let origin = |origin: &'static str| {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            let found = access(&Method::GET, &headers, true, |_| Some(Arc::clone(&cors)));
            let Some(Access::Actual { headers, .. }) = found else { panic!("{found:?}") };
            headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(origin("https://x").as_deref(), Some("https://x"));
        assert_eq!(origin("null"), None);
    }

    #[test]
    fn pages_that_may_send_a_request() {
        let (open, one) = (cors(&["*"], &["GET"], &[], false), cors(&["https://a"], &["GET"], &[], false));
        for (cors, method, origin, expected) in [
            (&open, Method::GET, Some("https://x"), true),
            (&open, Method::GET, None, true),
            (&open, Method::DELETE, Some("https://x"), false),
            (&open, Method::OPTIONS, Some("https://x"), false),
            (&one, Method::GET, Some("https://a"), true),
            (&one, Method::GET, Some("https://b"), false),
            (&one, Method::GET, None, false),
        ] {
            let origin = origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin)));
            let headers = origin.clone().into_iter().collect();
            let found = access(&method, &headers, false, |_| Some(Arc::new(cors.clone())));
            let Some(Access::Actual { allowed, .. }) = found else { panic!("{found:?}") };
            assert_eq!(allowed, expected, "{method} {origin:?}");
        }
    }

    #[test]
    fn nothing_is_said_where_nothing_is_configured() {
        let headers =
            HeaderMap::from_iter([(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"))]);
        let only = |configured: &'static str| move |method: &str| (method == configured).then(Arc::default);
        assert_eq!(access(&Method::OPTIONS, &headers, false, only("OPTIONS")), None);
        assert!(matches!(access(&Method::OPTIONS, &headers, false, only("PUT")), Some(Access::Preflight(_))));
        assert_eq!(access(&Method::GET, &headers, false, only("PUT")), None);
    }
}
