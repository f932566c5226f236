//! What the paths of the Config API name, including those that are one redirect away from a path that exists.

use percent_encoding::percent_decode_str;

use crate::decide::ids::escaped;
use crate::decide::refusal::Kind;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Status,
    Metrics,
    /// All resources of a kind in a space.
    Collection {
        space: String,
        kind: Kind,
    },
    Item {
        space: String,
        kind: Kind,
        id: String,
    },
    DeadLetters {
        space: String,
    },
    DeadLetter {
        space: String,
        id: String,
    },
    /// Trying dead letters again: one, or all of a space.
    Redrive {
        space: String,
        id: Option<String>,
    },
    /// The events that were accepted.
    Events {
        space: String,
    },
    Event {
        space: String,
        id: String,
    },
    Replays {
        space: String,
    },
    /// Subscriptions that take the place of others.
    Replacement {
        space: String,
    },
    Accounting,
    Feed,
    /// The path exists in this spelling.
    Moved(String),
    Unknown,
}

impl Path {
    /// The space it is about, if it is about one.
    pub(super) fn space(&self) -> Option<&str> {
        match self {
            Self::Collection { space, .. }
            | Self::Item { space, .. }
            | Self::DeadLetters { space }
            | Self::DeadLetter { space, .. }
            | Self::Redrive { space, .. }
            | Self::Events { space }
            | Self::Event { space, .. }
            | Self::Replays { space }
            | Self::Replacement { space } => Some(space),
            Self::Status | Self::Metrics | Self::Accounting | Self::Feed | Self::Moved(_) | Self::Unknown => {
                None
            }
        }
    }
}

/// Reads the path of a request, still percent-encoded.
pub(super) fn parse(path: &str) -> Path {
    let clean: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect();
    let fixed: Vec<String> = clean
        .iter()
        .enumerate()
        // Names of spaces and resources keep their case; the fixed words are lower-case.
        .map(
            |(at, segment)| {
                if matches!(at, 0 | 1 | 3) { segment.to_ascii_lowercase() } else { (*segment).to_owned() }
            },
        )
        .collect();
    let fixed: Vec<&str> = fixed.iter().map(String::as_str).collect();
    let found = resolve(&fixed);
    let canonical = format!("/{}", fixed.join("/"));
    if found == Path::Unknown || canonical == path { found } else { Path::Moved(canonical) }
}

fn resolve(segments: &[&str]) -> Path {
    match segments {
        ["v1", "status"] => Path::Status,
        ["v1", "metrics"] => Path::Metrics,
        ["v1", "accounting"] => Path::Accounting,
        ["v1", "feed"] => Path::Feed,
        ["v1", "spaces", space, "dead-letters"] => Path::DeadLetters { space: decode(space) },
        ["v1", "spaces", space, "dead-letters", "redrive"] => {
            Path::Redrive { space: decode(space), id: None }
        }
        ["v1", "spaces", space, "dead-letters", id] => {
            Path::DeadLetter { space: decode(space), id: decode(id) }
        }
        ["v1", "spaces", space, "dead-letters", id, "redrive"] => {
            Path::Redrive { space: decode(space), id: Some(decode(id)) }
        }
        ["v1", "spaces", space, "events"] => Path::Events { space: decode(space) },
        ["v1", "spaces", space, "events", id] => Path::Event { space: decode(space), id: decode(id) },
        ["v1", "spaces", space, "replays"] => Path::Replays { space: decode(space) },
        ["v1", "spaces", space, "subscriptions", "replace"] => Path::Replacement { space: decode(space) },
        ["v1", "spaces", space, resources] => match kind(resources) {
            Some(kind) => Path::Collection { space: decode(space), kind },
            None => Path::Unknown,
        },
        // The id of a CORS configuration is an escaped path, so an unescaped one has too many segments; there is none
        // with such an id.
        ["v1", "spaces", space, "cors", id @ ..] if !id.is_empty() => {
            let id = if let [id] = id { escaped(&decode(id)) } else { String::new() };
            Path::Item { space: decode(space), kind: Kind::Cors, id }
        }
        ["v1", "spaces", space, resources, id] => match kind(resources) {
            Some(kind) => Path::Item { space: decode(space), kind, id: decode(id) },
            None => Path::Unknown,
        },
        _ => Path::Unknown,
    }
}

fn kind(resources: &str) -> Option<Kind> {
    match resources {
        "eventtypes" => Some(Kind::EventType),
        "functions" => Some(Kind::Function),
        "subscriptions" => Some(Kind::Subscription),
        "cors" => Some(Kind::Cors),
        _ => None,
    }
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let space = || "default".to_owned();
        let cors = |id: &str| Path::Item { space: space(), kind: Kind::Cors, id: id.to_owned() };
        let moved = |path: &str| Path::Moved(path.to_owned());
        for (path, expected) in [
            ("/v1/status", Path::Status),
            ("/v1/spaces/default/functions", Path::Collection { space: space(), kind: Kind::Function }),
            (
                "/v1/spaces/default/eventtypes/a%2Fb%20c",
                Path::Item { space: space(), kind: Kind::EventType, id: "a/b c".to_owned() },
            ),
            ("/v1/spaces/default/cors", Path::Collection { space: space(), kind: Kind::Cors }),
            ("/v1/spaces/default/cors/GET%2Fa%252F:id%2F*x", cors("GET%2Fa%252F:id%2F%2Ax")),
            ("/v1/spaces/default/cors/GET/a", cors("")),
            ("/v1/spaces/default/dead-letters", Path::DeadLetters { space: space() }),
            ("/v1/spaces/default/dead-letters/7", Path::DeadLetter { space: space(), id: "7".to_owned() }),
            ("/v1/spaces/default/dead-letters/redrive", Path::Redrive { space: space(), id: None }),
            (
                "/v1/spaces/default/dead-letters/7/redrive",
                Path::Redrive { space: space(), id: Some("7".to_owned()) },
            ),
            ("/v1/spaces/default/events", Path::Events { space: space() }),
            ("/v1/spaces/default/events/a%2FB", Path::Event { space: space(), id: "a/B".to_owned() }),
            ("/v1/spaces/default/replays", Path::Replays { space: space() }),
            ("/v1/spaces/default/subscriptions/replace", Path::Replacement { space: space() }),
            ("/v1/accounting", Path::Accounting),
            ("/v1/feed", Path::Feed),
            ("/v1/metrics", Path::Metrics),
            ("/v1/status/", moved("/v1/status")),
            ("/V1/Status", moved("/v1/status")),
            ("//v1//status", moved("/v1/status")),
            ("/v1/Spaces/Acme/Functions/Id/", moved("/v1/spaces/Acme/functions/Id")),
            ("/", Path::Unknown),
            ("", Path::Unknown),
            ("/v1", Path::Unknown),
            ("/v2/status", Path::Unknown),
            ("/metrics", Path::Unknown),
            ("/v1/spaces/default", Path::Unknown),
            ("/v1/spaces/default/things", Path::Unknown),
            ("/v1/spaces/default/functions/a/b", Path::Unknown),
            ("/v1/spaces//functions", Path::Unknown),
        ] {
            assert_eq!(parse(path), expected, "{path}");
        }
    }
}
