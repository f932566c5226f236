//! Decides which routes of a space can exist side by side, with the texts of Event Gateway 0.9.1. `router` finds the
//! route of a request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use eg_grammar::{Segment, Spelling, routed_type};

/// Captured path parameters, percent-encoded as in the request.
pub(crate) type Params = BTreeMap<String, String>;

/// How requests find their subscriptions, by the options of the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Routing {
    /// Whether routes and spaces follow the rules of the original.
    pub(crate) strict: bool,
    /// Whether requests to a host under the gateway's domain belong to a space.
    pub(crate) hosts: bool,
    /// Whether a request that names no space reaches the default space only, because spaces have keys or hosts of their
    /// own.
    pub(crate) closed: bool,
}

impl Routing {
    /// Returns the event type by which an event is routed. In the original, events of other types reached nobody.
    pub(crate) fn routed_type<'t>(&self, event_type: &'t str) -> Cow<'t, str> {
        if self.strict { Cow::Borrowed(event_type) } else { routed_type(event_type) }
    }
}

/// The reason why a route cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    #[error("parameter with different name (\"{existing}\") already defined: for route: {route}")]
    Param { existing: String, route: String },
    #[error("static route already defined for route: {route}")]
    Static { route: String },
    #[error("wildcard with different name (\"{existing}\") already defined: for route: {route}")]
    Wildcard { existing: String, route: String },
    #[error("wildcard must be the last parameter")]
    WildcardNotLast,
    #[error("route {route} conflicts with existing route")]
    Taken { route: String },
    /// The original has no such conflict, because all its spaces share all paths.
    #[error("paths under /{prefix}/ already belong to space \"{owner}\": choose another path")]
    Owned { prefix: String, owner: String },
}

/// Returns the rest of a path that begins with `/<space>/`, from that second slash.
pub(crate) fn within<'p>(space: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix('/')?.strip_prefix(space).filter(|rest| rest.starts_with('/'))
}

/// Checks that the route `new` can be added to `others`, which have the same method. Only a route that matches the same
/// paths is in its way. With `strict`, the rules of the original hold: at each place of a path there are fixed segments,
/// or one parameter, or one wildcard.
pub(crate) fn check<'a>(
    new: &str,
    others: impl IntoIterator<Item = &'a str>,
    strict: bool,
) -> Result<(), Conflict> {
    for existing in others {
        if strict || Spelling::Gateway.matches_like(existing, new) {
            original(existing, new)?;
        }
    }
    let mut segments = Spelling::Gateway.segments(new);
    match segments.find(|segment| matches!(segment, Segment::Wildcard(_))).and_then(|_| segments.next()) {
        Some(_) => Err(Conflict::WildcardNotLast),
        None => Ok(()),
    }
}

/// Checks that two routes can exist side by side by the rules of the original.
fn original(existing: &str, new: &str) -> Result<(), Conflict> {
    let route = || new.to_owned();
    if (existing == "/" || new == "/") && existing != new {
        return Ok(());
    }
    let (mut olds, mut news) =
        (Spelling::Gateway.segments(existing), Spelling::Gateway.segments(new).peekable());
    loop {
        return Err(match (olds.next(), news.next()) {
            (None, None) => Conflict::Taken { route: route() },
            (_, Some(Segment::Wildcard(_))) if news.peek().is_some() => Conflict::WildcardNotLast,
            (Some(old), Some(new)) if old == new => continue,
            (Some(Segment::Literal(_)), Some(Segment::Literal(_))) | (None, _) | (_, None) => return Ok(()),
            (Some(Segment::Literal(_)), Some(Segment::Parameter(_))) => Conflict::Static { route: route() },
            (Some(Segment::Literal(_)), Some(Segment::Wildcard(_))) => {
                Conflict::Wildcard { existing: String::new(), route: route() }
            }
            (Some(Segment::Parameter(name)), Some(Segment::Wildcard(_)))
            | (Some(Segment::Wildcard(name)), Some(_)) => {
                Conflict::Wildcard { existing: name.to_owned(), route: route() }
            }
            (Some(Segment::Parameter(name)), Some(_)) => {
                Conflict::Param { existing: name.to_owned(), route: route() }
            }
        });
    }
}

#[cfg(test)]
mod tests;
