//! Defines what a CORS configuration allows: the defaults of Event Gateway 0.9.1 for its empty lists, which origins it may
//! name, and which pages these cover.

use crate::{Method, Mistake};

/// The allowed origins: all.
pub const DEFAULT_ORIGINS: [&str; 1] = [EVERY_ORIGIN];

/// The allowed methods.
pub const DEFAULT_METHODS: [&str; 3] = ["HEAD", "GET", "POST"];

/// The allowed request headers.
pub const DEFAULT_HEADERS: [&str; 3] = ["Origin", "Accept", "Content-Type"];

/// The allowed origin that covers every page.
pub const EVERY_ORIGIN: &str = "*";

/// The origin of pages that have none: documents in sandboxes, `data:` URLs and local files.
pub const NO_ORIGIN: &str = "null";

/// Returns the allowed methods of a route: the default ones and its own.
#[must_use]
pub fn methods_for(method: Method) -> Vec<&'static str> {
    let mut methods = DEFAULT_METHODS.to_vec();
    if !methods.contains(&method.as_str()) {
        methods.push(method.as_str());
    }
    methods
}

/// Checks the allowed origins of a configuration; an empty list stands for [`DEFAULT_ORIGINS`]. With `credentials`, each
/// origin must be named, because every page could otherwise act for the user.
///
/// # Errors
/// Fails if an origin is not [valid](check_origin), or covers every page although credentials are allowed.
pub fn check_origins<'a>(
    origins: impl IntoIterator<Item = &'a str>,
    credentials: bool,
) -> Result<(), Mistake> {
    let (mut everyone, mut empty) = (false, true);
    for origin in origins {
        check_origin(origin)?;
        everyone |= origin == EVERY_ORIGIN;
        empty = false;
    }
    if credentials && (everyone || empty) {
        return Err(Mistake::new(
            "credentials are allowed for named origins only: list the origins instead of `*`",
        ));
    }
    Ok(())
}

/// Checks an allowed origin: `*`, or a scheme, a host and an optional port, like `https://app.example`. One `*` in it
/// stands for any text within a label of the host, or for any port: `https://*.example`, `http://localhost:*`.
///
/// # Errors
/// Fails if the origin has another form, is `null`, or has a `*` in place of the whole host.
pub fn check_origin(origin: &str) -> Result<(), Mistake> {
    if origin == EVERY_ORIGIN {
        return Ok(());
    }
    if origin.eq_ignore_ascii_case(NO_ORIGIN) {
        return Err(Mistake::new(
            "`null` is the origin of every sandboxed page: name an origin like `https://app.example`",
        ));
    }
    let form = || {
        Mistake::new(format!(
            "`{origin}` is not an origin: write a scheme, a host and an optional port, like `https://app.example`"
        ))
    };
    let (scheme, authority) = origin.split_once("://").ok_or_else(form)?;
    let (host, port) = split_port(authority).ok_or_else(form)?;
    let scheme_is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let host_is_valid = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~*[]:".contains(&byte));
    if !scheme_is_valid
        || !host_is_valid
        || origin.matches('*').count() > 1
        || port.is_some_and(str::is_empty)
    {
        return Err(form());
    }
    if host == EVERY_ORIGIN {
        return Err(Mistake::new(format!(
            "`{origin}`: a `*` stands for a part of the host; write `*` alone for all origins"
        )));
    }
    Ok(())
}

/// Returns whether an allowed origin covers the origin of a page, ignoring case.
#[must_use]
pub fn covers(allowed: &str, origin: &str) -> bool {
    let Some((start, end)) = allowed.split_once('*') else { return allowed.eq_ignore_ascii_case(origin) };
    if start.is_empty() && end.is_empty() {
        return !origin.is_empty();
    }
    let Some(middle) = origin.len().checked_sub(end.len()).and_then(|at| origin.get(start.len()..at)) else {
        return false;
    };
    let (first, last) = (&origin[..start.len()], &origin[start.len() + middle.len()..]);
    let within = if start.ends_with(':') {
        !middle.is_empty() && middle.bytes().all(|byte| byte.is_ascii_digit())
    } else {
        middle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    within && first.eq_ignore_ascii_case(start) && last.eq_ignore_ascii_case(end)
}

/// Splits a host from its port. A host in brackets is an IPv6 address. Returns `None` if there is anything else.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) || port == "*" => {
            Some((host, Some(port)))
        }
        None if rest.is_empty() => Some((host, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_allows_its_own_method() {
        assert_eq!(methods_for(Method::Put), ["HEAD", "GET", "POST", "PUT"]);
        assert_eq!(methods_for(Method::Get), ["HEAD", "GET", "POST"]);
    }

    #[test]
    fn origins_that_can_be_allowed() {
        for origin in [
            "*",
            "https://app.example",
            "http://localhost:3000",
            "http://localhost:*",
            "https://*.app.example",
            "https://preview-*.app.example:8443",
            "http://[::1]:3000",
            "capacitor://localhost",
        ] {
            assert_eq!(check_origin(origin), Ok(()), "{origin}");
        }
        for origin in [
            "",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/page",
            "https://user@app.example",
            "https://app.example:",
            "https://app.example:80a",
            "https://*.*.example",
            "https://*",
            "http://*:3000",
            "https://a b",
            "1://a",
            "http://[::1",
        ] {
            assert!(check_origin(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn credentials_need_named_origins() {
        for (origins, credentials, valid) in [
            (&[][..], false, true),
            (&[], true, false),
            (&["*"], false, true),
            (&["https://a", "*"], true, false),
            (&["https://a", "https://*.b"], true, true),
            (&["null"], false, false),
        ] {
            assert_eq!(check_origins(origins.iter().copied(), credentials).is_ok(), valid, "{origins:?}");
        }
    }

    #[test]
    fn a_star_stays_within_a_label_or_a_port() {
        for (allowed, origin, expected) in [
            ("*", "https://any.example", true),
            ("*", "null", true),
            ("*", "", false),
            ("https://App.example", "https://app.Example", true),
            ("https://app.example", "https://app.example.evil", false),
            ("http://localhost*", "http://localhost", true),
            ("http://localhost*", "http://localhost2", true),
            ("http://localhost*", "http://localhost:3000", false),
            ("http://localhost*", "http://localhost.evil.example", false),
            ("http://localhost*", "http://localhost@evil.example", false),
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:*", "http://localhost:", false),
            ("http://localhost:*", "http://localhost:3000.evil.example", false),
            ("http://localhost:*", "http://localhost", false),
            ("https://*.app.example", "https://a.app.example", true),
            ("https://*.app.example", "https://a.b.app.example", false),
            ("https://*.app.example", "https://evil.example/.app.example", false),
            ("https://*.app.example", "https://evil.example:1.app.example", false),
            ("https://pre*.app.example", "https://preview.app.example", true),
            ("https://*.app.example", "https://ü.app.example", false),
            ("https://aa*aa.example", "https://aaa.example", false),
            ("http://[::1]:*", "http://[::1]:80", true),
        ] {
            assert_eq!(covers(allowed, origin), expected, "{allowed} {origin}");
        }
    }
}
