//! The stream: the events that the gateway has accepted, the newest first, with what became of their deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use eg_grammar::{HTTP_REQUEST, is_system_event_type};
use eg_sdk::config::{EventType, Subscription, SubscriptionType};
use eg_sdk::history::{AcceptedEvent, DeliveryCounts, DeliveryState, EventFilter, EventPage};
use maud::{Markup, html};
use time::OffsetDateTime;

use super::notice;
use crate::Dashboard;
use crate::failure::Failure;
use crate::frame::{Part, fragment, page};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{command, place, show};

/// The length of a page.
const LENGTH: usize = 50;

/// The maximum number of dots of one event.
const DOTS: u32 = 6;

/// The events that a page lists.
struct Wanted {
    filter: EventFilter,
    /// Whether the visitor wants the gateway's own events, too.
    with_system: bool,
}

impl Wanted {
    /// Returns the filter by which the gateway selects them.
    fn shown(&self) -> EventFilter {
        let filter = self.filter.clone();
        if self.with_system { filter } else { filter.for_reading() }
    }
}

/// `GET …/events`. With `fragment`, only the list: the script fetches it when something has happened.
pub(crate) async fn list(
    State(app): State<Arc<Dashboard>>,
    visitor: Visitor,
    query: Fields,
) -> Result<Response, Failure> {
    let gateway = &visitor.gateway;
    let space = gateway.space();
    let state = query.get("state").map(str::parse).transpose();
    let filter = EventFilter {
        id: query.get("id").map(str::to_owned),
        ty: query.get("type").map(str::to_owned),
        source: query.get("source").map(str::to_owned),
        function: query.get("function").map(str::to_owned),
        text: query.get("text").map(str::to_owned),
        state: state.map_err(|_| Failure::BadQuery)?,
        ..EventFilter::default()
    };
    let before = query.before()?;
    let is_unfiltered = filter.is_empty();
    let wanted = Wanted { with_system: query.get("system").is_some(), filter };
    let found = gateway.history().page(&wanted.shown(), before, LENGTH).await?;
    let is_new = found.events.is_empty() && is_unfiltered && before.is_none();
    let listed = listing(space, &wanted, before, &found);
    if query.get("fragment").is_some() && !is_new {
        return Ok(fragment(&listed));
    }
    let (types, subscriptions) = (gateway.event_types(), gateway.subscriptions());
    let (types, subscriptions) = tokio::try_join!(types.list(), subscriptions.list())?;
    let (types, functions) = names(&types, &subscriptions);
    let listed = if is_new { nothing_yet(&visitor, &app.options.events_url, &types) } else { listed };
    if query.get("fragment").is_some() {
        return Ok(fragment(&listed));
    }
    let live = before.is_none().then(|| place::in_space(space, "/live"));
    let body = html! {
        div .title {
            h1 { "Events" }
            div .live #live hidden[true] { button .plain #pause aria-pressed="false" { "Pause" } span #state role="status" {} }
        }
        (notice(&query))
        (filters(&wanted, &types, &functions))
        button #new hidden { "New events" }
        section #listing aria-label="Accepted events" data-live=[live] {
            (listed)
        }
    };
    Ok(page(&visitor, Part::Events, "Events", &body))
}

/// Returns the names for the filter: event types, and functions that get events.
fn names(types: &[EventType], subscriptions: &[Subscription]) -> (BTreeSet<String>, BTreeSet<String>) {
    let asynchronous = subscriptions.iter().filter(|one| one.kind == SubscriptionType::Async);
    (
        types.iter().map(|ty| ty.name.clone()).collect(),
        asynchronous.map(|one| one.function_id.clone()).collect(),
    )
}

fn filters(wanted: &Wanted, types: &BTreeSet<String>, functions: &BTreeSet<String>) -> Markup {
    let Wanted { filter, with_system } = wanted;
    let field = |name: &str, label: &str, value: Option<&str>, list: Option<&str>| {
        html! {
            label { span { (label) } input name=(name) value=(value.unwrap_or_default()) list=[list] autocomplete="off" spellcheck="false"; }
        }
    };
    html! {
        form .filters role="search" aria-label="Filter events" {
            (field("text", "Text", filter.text.as_deref(), None))
            (field("type", "Type", filter.ty.as_deref(), Some("types")))
            (field("source", "Source", filter.source.as_deref(), None))
            (field("function", "Function", filter.function.as_deref(), Some("functions")))
            label {
                span { "Delivery" }
                select name="state" {
                    option value="" { "any" }
                    @for state in DeliveryState::ALL {
                        option value=(state.as_str()) selected[filter.state == Some(*state)] { (show::word(*state)) }
                    }
                }
            }
            label .check title="Such as eventgateway.event.received. They are also listed if you ask for a type, source, function or state." {
                input type="checkbox" name="system" value="1" checked[*with_system];
                span { "System events" }
            }
            button { "Filter" }
            @if *with_system || !filter.is_empty() { a href="?" { "Clear" } }
            datalist #types { @for ty in types { option value=(ty) {} } }
            datalist #functions { @for function in functions { option value=(function) {} } }
        }
    }
}

/// Returns the list and the links to other pages.
fn listing(space: &str, wanted: &Wanted, before: Option<i64>, found: &EventPage) -> Markup {
    let now = OffsetDateTime::now_utc();
    let older = found.next.map(|next| address(space, wanted, Some(next)));
    html! {
        @if found.events.is_empty() {
            p .empty { @if older.is_some() { "Nothing found so far; the search goes on with older events." } @else { "No events match." } }
        } @else {
            table .events {
                thead { tr { th { "Accepted" } th { "Type" } th { "Source" } th { "Deliveries" } th .number { "Took" } th { "Id" } } }
                tbody { @for event in &found.events { (row(space, event, now)) } }
            }
        }
        nav .pages aria-label="Pages" {
            @if before.is_some() { a href=(address(space, wanted, None)) { "Newest" } }
            @if let Some(older) = older { a rel="next" href=(older) { "Older" } }
        }
    }
}

/// Returns the address of a page of these events, from the newest one on or before a later one.
fn address(space: &str, Wanted { filter, with_system }: &Wanted, before: Option<i64>) -> String {
    let before = before.map(|before| before.to_string());
    let fields = [
        ("id", filter.id.as_deref()),
        ("text", filter.text.as_deref()),
        ("type", filter.ty.as_deref()),
        ("source", filter.source.as_deref()),
        ("function", filter.function.as_deref()),
        ("state", filter.state.map(DeliveryState::as_str)),
        ("system", with_system.then_some("1")),
        ("before", before.as_deref()),
    ];
    let query = place::query(fields.map(|(name, value)| (name, value.unwrap_or_default())));
    place::in_space(space, &format!("/events{query}"))
}

fn row(space: &str, event: &AcceptedEvent, now: OffsetDateTime) -> Markup {
    let AcceptedEvent { event_id, event_type, source, .. } = event;
    let counts = event.counts.unwrap_or_default();
    html! {
        tr data-row {
            td .when { (show::listed(event.accepted_at, now)) }
            td .what {
                a href=(place::event(space, event_id, source, event_type, "")) { (show::text(event_type)) }
                @if let Some(subject) = &event.subject { " " span .quiet { (show::text(subject)) } }
                @if event.damaged { " " span .chip .dead { "damaged" } }
            }
            td .from { (show::text(source)) }
            td .to { (dots(&counts)) }
            td .number { @if let Some(took) = took(event, &counts) { (took) } }
            td .id title=(show::text(event_id)) { (show::short(event_id)) }
        }
    }
}

/// Returns how long it took until all deliveries had ended.
fn took(event: &AcceptedEvent, counts: &DeliveryCounts) -> Option<String> {
    let ended_at =
        counts.ended_at.filter(|_| counts.pending + counts.in_flight == 0 && counts.wanted() > 0)?;
    Some(show::span(show::between(event.accepted_at, ended_at)))
}

/// Returns a dot for each delivery, and how many have arrived.
fn dots(counts: &DeliveryCounts) -> Markup {
    if counts.wanted() + counts.filtered == 0 {
        return html! { span .quiet { "no subscriber" } };
    }
    let states = DeliveryState::ALL.iter().filter(|state| counts.of(**state) > 0);
    let words: Vec<String> =
        states.clone().map(|state| format!("{} {}", counts.of(*state), show::word(*state))).collect();
    html! {
        span .dots title=(words.join(", ")) {
            @for state in states {
                @for _ in 0..counts.of(*state).min(DOTS) { i .dot .(show::class(*state)) {} }
            }
            " " span .sum { (counts.delivered) "/" (counts.wanted()) }
            span .hidden { " delivered: " (words.join(", ")) }
        }
    }
}

/// Returns what to do while there are no events: commands with event types of this application.
fn nothing_yet(visitor: &Visitor, events_url: &str, types: &BTreeSet<String>) -> Markup {
    let space = visitor.gateway.space();
    let own: Vec<&String> =
        types.iter().filter(|ty| *ty != HTTP_REQUEST && !is_system_event_type(ty)).take(3).collect();
    html! {
        div .welcome {
            h2 { "No events yet" }
            p { "Events appear here as soon as the gateway accepts them." }
            @if own.is_empty() {
                p { "No event types are registered in this space." @if space == "default" { " Start an application:" } }
                // `cargo eg run` registers everything in this space.
                @if space == "default" { pre data-copy { (command::cargo_eg(space, &["run"])) } }
            } @else {
                p { "Send one of this application's events, with a payload from its schema:" }
                @for ty in &own { pre data-copy { (command::cargo_eg(space, &["emit", "--event", ty, "--sample"])) } }
                p { "Or from any program:" }
                pre data-copy { (curl(events_url, space, own[0])) }
                p { @for ty in own { a .button href={ (place::in_space(space, "/send")) (place::query([("type", ty.as_str())])) } { "Send " (show::text(ty)) } " " } }
            }
        }
    }
}

fn curl(events_url: &str, space: &str, ty: &str) -> String {
    let event = serde_json::json!({
        "specversion": "1.0", "id": "example-1", "source": "/example", "type": ty, "data": {},
    });
    command::curl(events_url, space, &event.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_pages_have_the_same_filter() {
        let mut filter = EventFilter { id: Some("a b".to_owned()), ..EventFilter::default() };
        filter.state = Some(DeliveryState::Dead);
        let mut wanted = Wanted { filter, with_system: false };
        assert_eq!(address("default", &wanted, None), "/dashboard/spaces/default/events?id=a%20b&state=dead");
        wanted.with_system = true;
        assert_eq!(
            address("default", &wanted, Some(7)),
            "/dashboard/spaces/default/events?id=a%20b&state=dead&system=1&before=7"
        );
    }
}
