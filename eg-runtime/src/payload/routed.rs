//! Finds the path to route by: without the stage and without the base path of a custom domain. The sender's matched
//! route shows where it starts.

use std::collections::BTreeMap;

use eg_grammar::Spelling;
use percent_encoding::percent_decode_str;

/// The parameters of the API's route. Senders write `null` for none.
pub(super) type Parameters = Option<BTreeMap<String, Option<String>>>;

/// Returns the part of `path` that the API's route (`/users/{id}`, `/{proxy+}`) matched with `params`, with its
/// escapes. `None` if the route does not end where the path ends.
pub(super) fn matched<'a>(
    path: &'a str,
    route: &str,
    params: &BTreeMap<String, Option<String>>,
) -> Option<&'a str> {
    if !route.starts_with('/') {
        return None;
    }
    let route = Spelling::ApiGateway.fill(route, |name| params.get(name)?.as_deref())?;
    let expected = decoded(&route);
    let starts = path.match_indices('/').map(|(at, _)| at);
    starts.map(|at| &path[at..]).find(|rest| {
        let rest = decoded(rest);
        // The sender drops a trailing slash when it matches a greedy parameter.
        rest == expected || (rest.strip_suffix('/') == Some(&expected))
    })
}

/// Returns `path` without its stage prefix.
pub(super) fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| *stage != "$default" && !stage.is_empty());
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}
