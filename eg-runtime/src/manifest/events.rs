//! The event part of a function's record: sources and schemas.

use eg_sdk::schema::{Writer, write as write_schema};

use crate::checks::equal;
use crate::probe::{Direction, Events};

/// Writes the sources of emitted events whose type fixes one.
pub(super) const fn write_sources(out: &mut Writer<'_>, events: &[Events]) {
    let mut written = 0;
    let mut set = 0;
    while set < events.len() {
        let Events { direction, types, sources, .. } = &events[set];
        let mut i = 0;
        while i < types.len() {
            if let (Direction::Emitted | Direction::Asked, Some(source)) = (direction, sources[i]) {
                out.raw(if written == 0 { ",\"sources\":{" } else { "," })
                    .text(types[i])
                    .raw(":")
                    .text(source);
                written += 1;
            }
            i += 1;
        }
        set += 1;
    }
    if written > 0 {
        out.raw("}");
    }
}

/// Writes the types of the questions, of which each also counts as emitted.
pub(super) const fn write_asks(out: &mut Writer<'_>, events: &[Events]) {
    let (mut set, mut written) = (0, 0);
    while set < events.len() {
        let Events { direction, types, .. } = &events[set];
        let mut i = 0;
        while matches!(direction, Direction::Asked) && i < types.len() {
            out.raw(if written == 0 { ",\"asks\":[" } else { "," }).text(types[i]);
            written += 1;
            i += 1;
        }
        set += 1;
    }
    if written > 0 {
        out.raw("]");
    }
}

/// The schemas of a function's events, each once per direction; none for events without.
pub(super) const fn write_events(out: &mut Writer<'_>, events: &[Events]) {
    let mut written = 0;
    let mut source = 0;
    while source < events.len() {
        let Events { direction, types, schemas, .. } = &events[source];
        let mut i = 0;
        while i < types.len() {
            if let Some(schema) = schemas[i]
                && !is_known(events, source, direction, types[i])
            {
                out.raw(if written == 0 { ",\"events\":[" } else { "," });
                out.raw("{\"type\":").text(types[i]);
                out.raw(",\"direction\":").text(direction.as_str()).raw(",\"schema\":");
                write_schema(out, schema);
                out.raw("}");
                written += 1;
            }
            i += 1;
        }
        source += 1;
    }
    if written > 0 {
        out.raw("]");
    }
}

/// Returns whether the first `before` of `events` contain this event with a schema.
const fn is_known(events: &[Events], before: usize, direction: &Direction, ty: &str) -> bool {
    let mut source = 0;
    while source < before {
        let earlier = &events[source];
        let mut i = 0;
        while i < earlier.types.len() {
            let same = equal(earlier.types[i], ty) && equal(earlier.direction.as_str(), direction.as_str());
            if same && earlier.schemas[i].is_some() {
                return true;
            }
            i += 1;
        }
        source += 1;
    }
    false
}
