//! `cargo eg events`: what the gateway has accepted.

use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{json_line, print};
use crate::cli;
use crate::console::text::{DIM, clock, columns, one_line, styled};
use crate::exit::Failure;
use crate::history::client::History;
use crate::history::view::Event;

/// How much of a payload a line shows, in characters.
const SHOWN: usize = 60;

pub(crate) async fn run(arguments: cli::Events) -> Result<(), Failure> {
    let cli::Events { ty, source, subject, text, since, until, limit, json, gateway } = arguments;
    let history = History::of(gateway.settings())?;
    let query: Vec<(&str, String)> = [
        ("type", ty),
        ("source", source),
        ("subject", subject),
        ("text", text),
        ("from", since.map(timestamp)),
        ("to", until.map(timestamp)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let events = history.events(&query, limit).await?;
    if json {
        return print(&events.iter().map(json_line).collect::<Result<String, _>>()?);
    }
    if events.is_empty() {
        eprintln!(
            "{}",
            if query.is_empty() { "no events yet; `cargo eg emit` emits one" } else { "no such events" }
        );
    }
    print(&columns(&events.iter().map(row).collect::<Vec<_>>()))
}

/// As the gateway reads times.
pub(super) fn timestamp(time: OffsetDateTime) -> String {
    // Formatting fails for years that RFC 3339 has no digits for.
    time.format(&Rfc3339).unwrap_or_default()
}

fn row(event: &Event) -> [String; 5] {
    let what = match &event.subject {
        Some(subject) => format!("{} {subject}", event.event_type),
        None => event.event_type.clone(),
    };
    [
        styled(DIM, &clock(&event.accepted_at)),
        event.event_id.clone(),
        what,
        event.source.clone(),
        styled(DIM, &excerpt(&payload(&event.event))),
    ]
}

/// The `data` of an event as JSON text; empty when it has none.
pub(super) fn payload(event: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        data_base64: Option<&'a str>,
    }
    match serde_json::from_str(event.get()) {
        Ok(Payload { data: Some(data), .. }) => data.get().to_owned(),
        Ok(Payload { data_base64: Some(data), .. }) => format!("(base64) {data}"),
        _ => String::new(),
    }
}

fn excerpt(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
