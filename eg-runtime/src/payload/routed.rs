//! The path that an application routes by: without the stage, and without the base path under which a custom
//! domain mounts the API. What the sender has matched tells where it begins.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// The part of `path` that the API's own route (`/users/{id}`, `/{proxy+}`) has matched with `params`, escapes
/// as they were. `None` when the route does not end where the path ends.
pub(super) fn matched<'a>(
    path: &'a str,
    route: &str,
    params: &BTreeMap<String, Option<String>>,
) -> Option<&'a str> {
    let expected = decoded(&filled(route, params)?);
    let starts = path.match_indices('/').map(|(at, _)| at);
    starts.map(|at| &path[at..]).find(|rest| {
        let rest = decoded(rest);
        // The sender drops the slash at the end when it matches a greedy parameter.
        rest == expected || (rest.strip_suffix('/') == Some(&expected))
    })
}

/// `path` without the stage in front of it.
pub(super) fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| *stage != "$default" && !stage.is_empty());
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn filled(route: &str, params: &BTreeMap<String, Option<String>>) -> Option<String> {
    if !route.starts_with('/') {
        return None;
    }
    let segments = route.split('/').skip(1).map(|segment| {
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => params.get(name.trim_end_matches('+'))?.as_deref(),
            None => Some(segment),
        }
    });
    segments.map(|segment| segment.map(|segment| format!("/{segment}"))).collect()
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}
