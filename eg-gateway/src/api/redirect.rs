//! Answers requests whose path is not a route: with a redirect if only slashes or the case of fixed words are wrong,
//! else with a 404. The original's router did the same, and its clients follow the redirects.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use super::answer;
use super::errors::{self, ApiError};
use crate::decide::refusal::{Kind, Refusal};

/// Answers a request whose path is not in `routes`.
pub(super) fn answer_unrouted(routes: &[String], method: &Method, uri: &Uri) -> Response {
    let path = canonical(uri.path());
    if routes.iter().any(|route| matches(route, &path)) && path != uri.path() {
        return moved(method, &path, uri.query());
    }
    // The id of a CORS configuration is an escaped path, so an unescaped one has too many segments. The original then
    // treated the id as empty.
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", "v1", "spaces", _, "cors", _, _, ..] => {
            ApiError::from(Refusal::NotFound { kind: Kind::Cors, id: String::new() }).into_response()
        }
        _ => errors::not_found(),
    }
}

/// Returns the path without superfluous slashes and with its fixed words in lower case. The names of spaces and
/// resources keep their case.
fn canonical(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty() && *segment != ".");
    segments.enumerate().fold(String::new(), |canonical, (at, segment)| {
        let fixed = matches!(at, 0 | 1 | 3);
        let segment = if fixed { segment.to_ascii_lowercase() } else { segment.to_owned() };
        canonical + "/" + &segment
    })
}

/// Returns whether `path` matches `route`, whose parameters are in braces.
fn matches(route: &str, path: &str) -> bool {
    let same = |(route, segment): (&str, &str)| route.starts_with('{') || route == segment;
    route.split('/').count() == path.split('/').count() && route.split('/').zip(path.split('/')).all(same)
}

fn moved(method: &Method, path: &str, query: Option<&str>) -> Response {
    let location = match query {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    };
    let Ok(location) = HeaderValue::try_from(location) else { return errors::not_found() };
    let status =
        if method == Method::GET { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    let mut response = answer(status, Body::empty());
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_no_route() {
        let routes = ["/v1/status", "/v1/spaces/{space}/functions", "/v1/spaces/{space}/functions/{id}"]
            .map(str::to_owned);
        for (path, status, location) in [
            ("/v1/status/", 301, Some("/v1/status")),
            ("/v1/status/?a=b", 301, Some("/v1/status?a=b")),
            ("/V1/Status", 301, Some("/v1/status")),
            ("//v1//status", 301, Some("/v1/status")),
            ("/v1/./status", 301, Some("/v1/status")),
            ("/v1/Spaces/Acme/Functions/Id/", 301, Some("/v1/spaces/Acme/functions/Id")),
            ("/", 404, None),
            ("/v1", 404, None),
            ("/v2/status", 404, None),
            ("/metrics", 404, None),
            ("/v1/spaces/default", 404, None),
            ("/v1/spaces/default/things", 404, None),
            ("/v1/spaces/default/functions/a/b", 404, None),
            ("/v1/spaces//functions", 404, None),
            ("/v1/spaces/default/cors/GET/a", 404, None),
        ] {
            let response = answer_unrouted(&routes, &Method::GET, &Uri::from_static(path));
            let found = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), found), (status, location), "{path}");
        }
    }
}
