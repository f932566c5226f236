//! Compares the schema of each emitted event with the schemas of its subscribers. The comparison of two schemas is in
//! `schema`.

use std::collections::BTreeSet;

use eg_sdk::manifest::Function;
use serde_json::Value;

use super::model::{Service, place, subscriptions};
use super::{Class, Fact, Finding};

/// Returns one finding for each event type, emitter and subscriber whose schemas do not fit.
pub(super) fn mismatches(services: &[Service]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for producer in services {
        let emitted: BTreeSet<&String> =
            producer.functions.iter().flat_map(|function| &function.emits).collect();
        for ty in emitted {
            for consumer in services {
                let readers: Vec<&Function> =
                    consumer.functions.iter().filter(|function| takes(function, ty)).collect();
                if readers.is_empty() {
                    continue;
                }
                let facts = facts(producer, consumer, ty);
                if !facts.is_empty() {
                    findings.push(finding(producer, ty, &readers, facts));
                }
            }
        }
    }
    findings
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

/// Returns the differences between what `producer` emits and what `consumer` reads. A service may have several types
/// for one event; it is enough that each type the consumer reads fits one that the producer writes. Event types
/// without a schema fit.
fn facts(producer: &Service, consumer: &Service, ty: &str) -> Vec<Fact> {
    let written: Vec<&Value> = producer.schemas_of(ty).collect();
    let unfit = |read: &Value| -> Vec<Fact> {
        let attempts = written.iter().map(|written| super::schema::compare(written, read));
        attempts.min_by_key(Vec::len).unwrap_or_default()
    };
    let mut facts = Vec::new();
    for fact in consumer.schemas_of(ty).flat_map(unfit) {
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::model::{EventSchema, services, texts};
    use super::*;

    #[test]
    fn services_that_do_not_fit_are_told_with_the_fields() {
        let mut given = services(&[
            ("users", &[("create", &["POST /users"], &["user.created"])]),
            ("mail", &[("welcome", &["user.created"], &[]), ("log", &["user.created"], &[])]),
            ("crm", &[("add", &["user.created"], &[])]),
            ("web", &[("show", &["user.created"], &[])]),
        ]);
        let schema = |fields: &[&str]| {
            let properties: serde_json::Map<String, Value> =
                fields.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
            let schema = json!({"type": "object", "properties": properties, "required": fields});
            EventSchema { ty: "user.created".to_owned(), schema }
        };
        given[0].schemas = vec![schema(&["id"])];
        given[1].schemas = vec![schema(&["id", "email"])];
        given[2].schemas = vec![schema(&["id"])];
        let found = mismatches(&given);
        assert_eq!(
            texts(&found),
            [
                "users emits user.created that mail-welcome and mail-log cannot read @ users.rs:1 users-create emits user.created, \
              mail.rs:1 mail-welcome on user.created, mail.rs:2 mail-log on user.created"
            ]
        );
        assert_eq!(
            found[0].facts,
            [Fact { path: "data.email".to_owned(), problem: "is never written, and is required".to_owned() }]
        );

        // A service that emits more than it reads has two types for the event.
        given[0].schemas.push(schema(&["id", "email"]));
        assert_eq!(mismatches(&given), []);
    }
}
