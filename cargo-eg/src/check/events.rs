//! Compares the schema with which an event is emitted with the schemas of its readers, between services and within one.
//! The comparison of two schemas is in `schema`.

use std::collections::BTreeSet;

use eg_sdk::manifest::{EventSchema, Function};

use super::model::{Service, place, subscriptions};
use super::{Class, Fact, Finding};

/// Returns one finding for each event type, emitter and subscriber whose schemas do not fit.
pub(super) fn mismatches(services: &[Service]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for producer in services {
        let emitted: BTreeSet<&String> =
            producer.functions.iter().flat_map(|function| &function.emits).collect();
        for ty in emitted {
            findings.extend(services.iter().filter_map(|consumer| mismatch(producer, consumer, ty)));
        }
    }
    findings
}

/// Compares what `producer` emits with what `consumer` reads. A service may have several types for one event; it is
/// enough that each type the consumer reads fits one that the producer writes. Event types without a schema fit.
fn mismatch(producer: &Service, consumer: &Service, ty: &str) -> Option<Finding> {
    let written: Vec<&EventSchema> =
        producer.events_of(ty).filter(|event| !event.emitted_by.is_empty()).collect();
    let unfit = |read: &EventSchema| -> Vec<Fact> {
        let attempts = written.iter().map(|written| super::schema::compare(&written.schema, &read.schema));
        attempts.min_by_key(Vec::len).unwrap_or_default()
    };
    let (mut facts, mut readers) = (Vec::new(), BTreeSet::new());
    for read in consumer.events_of(ty).filter(|event| !event.received_by.is_empty()) {
        let found = unfit(read);
        if !found.is_empty() {
            readers.extend(read.received_by.iter().map(String::as_str));
        }
        for fact in found {
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
    }
    let readers: Vec<&Function> = consumer
        .functions
        .iter()
        .filter(|function| takes(function, ty) && readers.contains(function.id.as_str()))
        .collect();
    (!readers.is_empty()).then(|| finding(producer, ty, &readers, facts))
}

fn finding(producer: &Service, ty: &str, readers: &[&Function], facts: Vec<Fact>) -> Finding {
    let writers =
        producer.functions.iter().filter(|function| function.emits.iter().any(|emitted| emitted == ty));
    let writers: Vec<_> = writers.map(|function| place(function, format!("emits {ty}"))).collect();
    let names: Vec<&str> = readers.iter().map(|function| function.id.as_str()).collect();
    let message = format!("{} emits {ty} that {} cannot read", producer.name, names.join(" and "));
    let places =
        writers.into_iter().chain(readers.iter().map(|function| place(function, format!("on {ty}"))));
    let mut finding = Finding::new(Class::SchemaMismatch, message, places.collect());
    finding.facts = facts;
    finding.help(
        "let both use one type, in a crate of shared events, or make what is not always there an Option",
    )
}

fn takes(function: &Function, ty: &str) -> bool {
    subscriptions(function).any(|trigger| trigger.event_type == ty)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model::{services, texts};
    use super::*;

    /// A view of `user.created` with these fields, all required.
    fn event(fields: &[&str], emitted_by: &[&str], received_by: &[&str]) -> EventSchema {
        let properties: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        let schema = json!({"type": "object", "properties": properties, "required": fields});
        let event = json!({"type": "user.created", "schema": schema, "emittedBy": emitted_by, "receivedBy": received_by});
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn services_that_do_not_fit_are_told_with_the_fields() {
        let mut given = services(&[
            ("users", &[("create", &["POST /users"], &["user.created"])]),
            ("mail", &[("welcome", &["user.created"], &[]), ("log", &["user.created"], &[])]),
            ("crm", &[("add", &["user.created"], &[])]),
            ("web", &[("show", &["user.created"], &[])]),
        ]);
        given[0].events = vec![event(&["id"], &["users-create"], &[])];
        given[1].events =
            vec![event(&["id", "email"], &[], &["mail-welcome"]), event(&["id"], &[], &["mail-log"])];
        given[2].events = vec![event(&["id"], &[], &["crm-add"])];
        let found = mismatches(&given);
        assert_eq!(
            texts(&found),
            [
                "users emits user.created that mail-welcome cannot read @ users.rs:1 users-create emits user.created, \
              mail.rs:1 mail-welcome on user.created"
            ]
        );
        assert_eq!(
            found[0].facts,
            [Fact { path: "data.email".to_owned(), problem: "is never written, and is required".to_owned() }]
        );

        // A service that emits more than it reads has two types for the event.
        given[0].events.push(event(&["id", "email"], &["users-create"], &[]));
        assert_eq!(mismatches(&given), []);
    }

    /// What one function of a service writes, another one of the same service has to read. The schemas of both are in
    /// one manifest, and what is read there counts as written nowhere.
    #[test]
    fn functions_of_one_service_that_do_not_fit() {
        let mut given = services(&[(
            "users",
            &[
                ("create", &["POST /users"], &["user.created"]),
                ("welcome", &["user.created"], &[]),
                ("count", &["user.created"], &[]),
            ],
        )]);
        given[0].events = vec![
            event(&["id"], &["users-create"], &["users-count"]),
            event(&["id", "email"], &[], &["users-welcome"]),
        ];
        assert_eq!(
            texts(&mismatches(&given)),
            [
                "users emits user.created that users-welcome cannot read @ users.rs:1 users-create emits user.created, \
              users.rs:2 users-welcome on user.created"
            ]
        );
        given[0].events[1] = event(&["id", "email"], &["users-create"], &["users-welcome"]);
        assert_eq!(mismatches(&given), []);
    }
}
