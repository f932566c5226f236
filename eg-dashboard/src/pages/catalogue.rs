//! The catalogue of event types: their schemas, which functions emit them, and which functions get them.

use std::collections::BTreeMap;

use axum::response::Response;
use eg_grammar::{HTTP_REQUEST, is_system_event_type};
use eg_sdk::config::{EventType, Function, FunctionNotes, Subscription};
use maud::{Markup, html};
use serde_json::value::RawValue;

use super::tree;
use crate::failure::Failure;
use crate::frame::{Part, page};
use crate::visitor::Visitor;
use crate::{place, show};

/// What is known about an event type.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry<'a> {
    schema: Option<&'a str>,
    authorizer: Option<&'a str>,
    emitters: Vec<&'a str>,
    subscribers: Vec<&'a str>,
}

/// `GET …/catalogue`
pub(crate) async fn list(visitor: Visitor) -> Result<Response, Failure> {
    let (space, gateway) = (visitor.gateway.space(), &visitor.gateway);
    let (types, functions, subscriptions) =
        (gateway.event_types(), gateway.functions(), gateway.subscriptions());
    let (types, functions, subscriptions) =
        tokio::try_join!(types.list(), functions.list(), subscriptions.list())?;
    let notes: Vec<(&str, FunctionNotes)> = functions.iter().map(noted).collect();
    let catalogue = catalogue(&types, &notes, &subscriptions);
    let body = html! {
        div .title { h1 { "Catalogue" } p .quiet { (show::count(catalogue.len(), "event type")) } }
        @if catalogue.is_empty() {
            p .empty { "No event types are registered in this space. " code { "cargo eg run" } " registers those of your services." }
        }
        @for (ty, entry) in &catalogue { (card(space, ty, entry)) }
    };
    Ok(page(&visitor, Part::Catalogue, "Catalogue", &body))
}

fn noted(function: &Function) -> (&str, FunctionNotes) {
    (&function.function_id, FunctionNotes::of(function))
}

/// Returns the event types by name. Requests have no type of their own, and are on the map.
fn catalogue<'a>(
    types: &'a [EventType],
    notes: &'a [(&'a str, FunctionNotes)],
    subscriptions: &'a [Subscription],
) -> BTreeMap<&'a str, Entry<'a>> {
    let mut catalogue: BTreeMap<&str, Entry<'_>> = BTreeMap::new();
    for ty in types {
        let entry = catalogue.entry(&ty.name).or_default();
        (entry.schema, entry.authorizer) = (ty.schema(), ty.authorizer_id.as_deref());
    }
    for (function, notes) in notes {
        for ty in &notes.emits {
            catalogue.entry(ty).or_default().emitters.push(function);
        }
    }
    for subscription in subscriptions {
        let known = &mut catalogue.entry(&subscription.event_type).or_default().subscribers;
        if !known.contains(&subscription.function_id.as_str()) {
            known.push(&subscription.function_id);
        }
    }
    catalogue.remove(HTTP_REQUEST);
    catalogue.values_mut().for_each(|entry| {
        entry.emitters.sort_unstable();
        entry.subscribers.sort_unstable();
    });
    catalogue
}

fn card(space: &str, ty: &str, entry: &Entry<'_>) -> Markup {
    let Entry { schema, authorizer, emitters, subscribers } = entry;
    let query = place::query([("type", ty)]);
    html! {
        article .card data-row {
            h2 { a href=(place::in_space(space, &format!("/events{query}"))) { (show::text(ty)) } }
            dl .facts .plain {
                div {
                    dt { "Emitted by" }
                    dd {
                        @if is_system_event_type(ty) { "the gateway" }
                        @else if emitters.is_empty() { span .quiet { "no known function" } }
                        @else { (functions(space, emitters)) }
                    }
                }
                div {
                    dt { "Delivered to" }
                    dd { @if subscribers.is_empty() { span .quiet { "no function" } } @else { (functions(space, subscribers)) } }
                }
                @if let Some(authorizer) = authorizer { div { dt { "Authorized by" } dd { (functions(space, &[authorizer])) } } }
            }
            @match schema.map(serde_json::from_str::<&RawValue>) {
                Some(Ok(schema)) => details { summary { "Schema of the payload" } pre data-copy { (show::json(&tree::indented(schema.get()))) } },
                _ => @if !is_system_event_type(ty) { p .quiet { "Its schema is not known." } },
            }
            @if !is_system_event_type(ty) {
                p { a href={ (place::in_space(space, "/send")) (query) } { "Send one" } }
            }
        }
    }
}

fn functions(space: &str, ids: &[&str]) -> Markup {
    html! {
        @for (number, id) in ids.iter().enumerate() {
            @if number > 0 { ", " }
            a href={ (place::in_space(space, "/events")) (place::query([("function", *id)])) } { (show::text(id)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_emitters_and_subscribers() {
        let mut created = EventType::new("user.created");
        created.set_schema(&serde_json::json!({"type": "object"}));
        let types = [created, EventType::new("http.request")];
        let mut notes = FunctionNotes::default();
        notes.emits = vec!["user.created".to_owned(), "user.counted".to_owned()];
        let notes = [("users-create", notes)];
        let twice = Subscription::asynchronous("user.created", "mail");
        let subscriptions = [
            twice.clone(),
            twice,
            Subscription::asynchronous("card.charged", "audit"),
            Subscription::http("GET", "/", "f"),
        ];
        let found = catalogue(&types, &notes, &subscriptions);
        let entry = |schema, emitters: &[&'static str], subscribers: &[&'static str]| Entry {
            schema,
            authorizer: None,
            emitters: emitters.to_vec(),
            subscribers: subscribers.to_vec(),
        };
        let expected = BTreeMap::from([
            ("card.charged", entry(None, &[], &["audit"])),
            ("user.counted", entry(None, &["users-create"], &[])),
            ("user.created", entry(Some(r#"{"type":"object"}"#), &["users-create"], &["mail"])),
        ]);
        assert_eq!(found, expected);
    }
}
