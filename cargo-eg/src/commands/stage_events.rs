//! `cargo eg events --stage`: finds the events of a stage on AWS, in the history of its gateway or in the archive of its bus.
//! `crate::deploy::archive` reads the archive; the listing is that of the local events.

use eg_sdk::history::{AcceptedEvent, EventFilter};
use eg_sdk::{CloudEvent, EventGateway};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::history::client;
use super::stage::connected;
use crate::cli;
use crate::console::signals::Signals;
use crate::deploy::archive::Archive;
use crate::deploy::gateway;
use crate::deploy::stack::Stack;
use crate::exit::{Exit, Failure};

/// The time that is searched by default.
const RECENT: Duration = Duration::hours(1);

/// Returns a client of the gateway of a stage, with an access key. `None`: it has none.
pub(super) async fn gateway(
    aws: &cli::OnAws,
    access_key: Option<&str>,
) -> Result<Option<EventGateway>, Failure> {
    let (config, target) = connected(aws, None).await?;
    let stack = Stack::new(&config, target).existing().await?;
    let gateway = gateway::named(|name| stack.outputs.get(name).map(String::as_str))?;
    gateway.map(|gateway| client(gateway.settings(access_key))).transpose()
}

/// Returns the events in the archive of a stage that match, the newest first.
pub(super) async fn archived(
    aws: &cli::OnAws,
    filter: &EventFilter,
    limit: usize,
) -> Result<Vec<AcceptedEvent>, Failure> {
    let mut signals = Signals::listen()?;
    let (config, target) = connected(aws, None).await?;
    let stack = Stack::new(&config, target.clone()).existing().await?;
    if filter.state.is_some() || filter.function.is_some() {
        let message = "EventBridge keeps no record of deliveries, so it knows neither --state nor --function";
        return Err(Failure::new(Exit::Usage, message)
            .hint(format!("`{}` lists what functions failed to handle", target.command("dead-letters"))));
    }
    let archive = Archive::of(&config, &stack.outputs).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("stack `{}` has no event archive", target.stack)).hint(format!(
            "write `archive = \"30d\"` into [deploy] of eg.toml, then run `{}`: events are kept from then on",
            target.command("deploy")
        ))
    })?;
    let to = filter.to.unwrap_or_else(OffsetDateTime::now_utc);
    let from = filter.from.unwrap_or(to - RECENT);
    if from >= to {
        return Err(Failure::new(Exit::Usage, "--since must be before --until (default: now)"));
    }
    let found = archive.events(from, to, &mut signals).await?;
    let mut events: Vec<AcceptedEvent> = found
        .iter()
        .filter_map(|envelope| accepted(envelope))
        .filter(|event| (from..to).contains(&event.accepted_at) && matches(filter, event))
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.accepted_at));
    events.truncate(limit);
    Ok(events)
}

/// Reads an event as EventBridge keeps it. An envelope without a CloudEvent comes from an AWS service or a
/// partner; its attributes become those of an event.
fn accepted(envelope: &str) -> Option<AcceptedEvent> {
    let time = serde_json::from_str::<Value>(envelope).ok()?["time"].as_str()?.to_owned();
    let event = CloudEvent::from_eventbridge(envelope.as_bytes()).ok()?;
    let accepted = json!({
        "eventId": event.id(), "eventType": event.ty(), "source": event.source(), "subject": event.subject(),
        "method": "POST", "path": "/", "acceptedAt": OffsetDateTime::parse(&time, &Rfc3339).ok()?.format(&Rfc3339).ok()?,
        "event": event,
    });
    serde_json::from_str(&accepted.to_string()).ok()
}

fn matches(filter: &EventFilter, event: &AcceptedEvent) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    is(&filter.id, &event.event_id)
        && is(&filter.ty, &event.event_type)
        && is(&filter.source, &event.source)
        && is(&filter.subject, event.subject.as_deref().unwrap_or_default())
        && filter.text.as_ref().is_none_or(|text| event.event.get().contains(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archived_event_is_listed_like_one_of_a_gateway() {
        let envelope = json!({
            "version": "0", "id": "7", "detail-type": "order.placed", "source": "/services/order", "account": "123456789012",
            "time": "2026-01-31T12:00:00Z", "region": "eu-central-1", "resources": [], "replay-name": "a",
            "detail": {"order": 1},
        });
        let event = accepted(&envelope.to_string()).unwrap();
        assert_eq!((event.event_id.as_str(), event.event_type.as_str()), ("7", "order.placed"));
        let check = |filter: &EventFilter, expected: bool| {
            assert_eq!(matches(filter, &event), expected, "{filter:?}");
        };
        let text = |text: &str| Some(text.to_owned());
        check(&EventFilter::default(), true);
        check(
            &EventFilter { ty: text("order.placed"), text: text("\"order\":1"), ..EventFilter::default() },
            true,
        );
        check(&EventFilter { ty: text("order"), ..EventFilter::default() }, false);
        check(&EventFilter { subject: text("x"), ..EventFilter::default() }, false);
        check(&EventFilter { text: text("order\":2"), ..EventFilter::default() }, false);
        assert!(accepted("{}").is_none());
    }
}
