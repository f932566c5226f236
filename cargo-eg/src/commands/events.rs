//! `cargo eg events`: lists the events that a gateway has accepted, or that a stage on AWS has archived.

use eg_sdk::history::{AcceptedEvent, EventFilter};
use serde_json::value::RawValue;

use super::functions::{self, Problem};
use super::history::{client, failure, similar_type};
use super::stage::is_on_aws;
use super::{json_line, print, stage_events};
use crate::cli;
use crate::console::text::{DIM, clock, columns, one_line, styled};
use crate::exit::Failure;

/// The maximum number of characters of a payload that a line shows.
const SHOWN: usize = 60;

pub(crate) async fn run(arguments: cli::Events) -> Result<(), Failure> {
    let cli::Events { id, ty, source, subject, text, state, function: name, system, .. } = arguments;
    let cli::Events { since, until, limit, json, gateway, aws, .. } = arguments;
    // A stage without a gateway has an archive, if anything.
    let gateway = match is_on_aws(&aws, None)? {
        true => stage_events::gateway(&aws, gateway.access_key.as_deref()).await?,
        false => Some(client(gateway.settings())?),
    };
    let known = match &gateway {
        Some(gateway) if name.is_some() => functions::registered(gateway).await?,
        _ => Vec::new(),
    };
    let (mut function, mut unknown) = (name.clone(), None);
    if let Some(name) = &name {
        match functions::find(name, &known) {
            Ok(id) => function = Some(id.to_owned()),
            // It may be the id of a function that existed then.
            Err(problem @ Problem::Unknown(_)) => unknown = Some(problem.at_the_gateway(name)),
            Err(problem) => return Err(problem.at_the_gateway(name)),
        }
    }
    let (from, to, without_system) = (since, until, false);
    let filter = EventFilter { id, ty, source, subject, text, from, to, state, function, without_system };
    let shown = if system { filter.clone() } else { filter.clone().for_reading() };
    let events = match &gateway {
        Some(gateway) => gateway.history().events(&shown, limit).await.map_err(failure)?,
        None => stage_events::archived(&aws, &filter, limit).await?,
    };
    if let Some(unknown) = unknown.filter(|_| events.is_empty()) {
        return Err(unknown);
    }
    if json {
        return print(&events.iter().map(json_line).collect::<Result<String, _>>()?);
    }
    if events.is_empty() {
        match (&gateway, filter.is_empty(), since) {
            (None, _, None) => {
                let hour = if until.is_some() { "the hour before --until" } else { "the last hour" };
                eprintln!("no events match in {hour}; --since looks further back");
            }
            (_, true, _) => eprintln!("no events yet; `cargo eg emit` emits one"),
            _ => {
                let similar = match (&gateway, &filter.ty) {
                    (Some(gateway), Some(ty)) => similar_type(gateway, ty).await,
                    _ => String::new(),
                };
                eprintln!("no events match{similar}");
            }
        }
    }
    print(&columns(&events.iter().map(row).collect::<Vec<_>>()))
}

fn row(event: &AcceptedEvent) -> [String; 5] {
    let what = match &event.subject {
        Some(subject) => format!("{} {subject}", event.event_type),
        None => event.event_type.clone(),
    };
    [
        styled(DIM, &clock(event.accepted_at)),
        event.event_id.clone(),
        what,
        event.source.clone(),
        styled(DIM, &excerpt(&payload(&event.event))),
    ]
}

/// Returns the `data` of an event as JSON text; empty if it has none.
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
