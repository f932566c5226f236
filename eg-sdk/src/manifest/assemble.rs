//! Combines records into one service: determines its name, its functions in the order of their source code, and their
//! ids. `record` and `section` read the records.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Direction, EventRecord, FunctionRecord, Record, ServiceRecord};
use super::{Contradiction, EventSchema, Function, Manifest};

/// The dialect of JSON Schema that `eg-runtime` writes.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Returns the service that `records` describe, in any order. Returns `None` if there is no function.
pub(super) fn assemble(records: Vec<Record>) -> Result<Option<Manifest>, Contradiction> {
    let (mut functions, mut services) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Function(function) => functions.push(function),
            Record::Service(service) => services.push(service),
        }
    }
    let Some(first) = functions.first() else { return Ok(None) };
    let (service, version) = match name(&functions, &services)? {
        Some(named) => (named.service.clone(), named.version.clone()),
        None => (first.package.clone(), first.version.clone()),
    };
    check_name(&service, "service")?;
    // All records are of one build.
    let (sinks, panic, secrets) = (first.sinks.clone(), first.panic, first.secrets);
    // Linkers guarantee no order.
    functions.sort_by_cached_key(|record| (position(&record.function.source), record.function.name.clone()));
    check_names(&functions)?;
    let mut events = Vec::new();
    let mut described = Vec::new();
    for FunctionRecord { mut function, events: known, .. } in functions {
        function.id = format!("{service}-{}", function.name);
        known.into_iter().for_each(|event| add(&mut events, event, &function.id));
        described.push(function);
    }
    // Events of one type stay in the order of their functions.
    events.sort_by(|a, b| a.ty.cmp(&b.ty));
    Ok(Some(Manifest { service, version, sinks, panic, secrets, functions: described, events }))
}

/// Adds a function's view of an event. Functions with the same schema share one entry.
fn add(events: &mut Vec<EventSchema>, record: EventRecord, function: &str) {
    let EventRecord { ty, direction, mut schema } = record;
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".to_owned(), DIALECT.into());
    }
    let at = events.iter().position(|event| event.ty == ty && event.schema == schema).unwrap_or_else(|| {
        events.push(EventSchema { ty, schema, emitted_by: Vec::new(), received_by: Vec::new() });
        events.len() - 1
    });
    let functions = match direction {
        Direction::Emitted => &mut events[at].emitted_by,
        Direction::Received => &mut events[at].received_by,
    };
    if !functions.iter().any(|known| known == function) {
        functions.push(function.to_owned());
    }
}

/// Returns the record that names the service; `None` if the name of its only package applies.
fn name<'a>(
    functions: &[FunctionRecord],
    services: &'a [ServiceRecord],
) -> Result<Option<&'a ServiceRecord>, Contradiction> {
    match services {
        [] => {
            let packages: BTreeSet<&str> = functions.iter().map(|record| record.package.as_str()).collect();
            if packages.len() > 1 {
                let packages = packages.into_iter().map(str::to_owned).collect();
                return Err(Contradiction::SeveralPackages { packages });
            }
            Ok(None)
        }
        [service] => Ok(Some(service)),
        several => {
            let names = several.iter().map(|record| record.service.clone()).collect();
            Err(Contradiction::SeveralServices { names })
        }
    }
}

fn check_names(functions: &[FunctionRecord]) -> Result<(), Contradiction> {
    let mut sources = BTreeMap::new();
    for Function { name, source, .. } in functions.iter().map(|record| &record.function) {
        check_name(name, source)?;
        if let Some(earlier) = sources.insert(name, source) {
            let sources = [earlier.clone(), source.clone()];
            return Err(Contradiction::SameName { name: name.clone(), sources });
        }
    }
    Ok(())
}

/// Checks that a name can be part of a function id: ids name functions at the gateway, and log files.
fn check_name(name: &str, place: &str) -> Result<(), Contradiction> {
    if eg_grammar::is_function_name(name) {
        Ok(())
    } else {
        Err(Contradiction::BadName { name: name.to_owned(), place: place.to_owned() })
    }
}

/// Splits a source into file and line. The line is a number, so that line 9 comes before line 10.
fn position(source: &str) -> (String, u32) {
    let (file, line) = source.rsplit_once(':').unwrap_or((source, ""));
    (file.to_owned(), line.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{PanicStrategy, Sink};
    use super::*;

    fn function(package: &str, name: &str, source: &str) -> Record {
        Record::Function(FunctionRecord {
            package: package.to_owned(),
            version: "1.0.0".to_owned(),
            sinks: vec![Sink::Gateway],
            panic: Some(PanicStrategy::Unwind),
            secrets: false,
            events: Vec::new(),
            function: Function::new("", name, source),
        })
    }

    fn service(name: &str) -> Record {
        Record::Service(ServiceRecord { service: name.to_owned(), version: "2.0.0".to_owned() })
    }

    fn ids(records: Vec<Record>) -> Vec<String> {
        let manifest = assemble(records).unwrap().unwrap();
        manifest.functions.into_iter().map(|function| function.id).collect()
    }

    #[test]
    fn the_package_names_the_service_unless_it_is_named() {
        assert_eq!(ids(vec![function("users", "create", "a.rs:1")]), ["users-create"]);
        let named = vec![function("a", "x", "a.rs:1"), service("shop"), function("b", "y", "b.rs:1")];
        assert_eq!(ids(named.clone()), ["shop-x", "shop-y"]);
        let named = assemble(named).unwrap().unwrap();
        assert_eq!(named.version, "2.0.0");
        assert_eq!((named.sinks, named.panic), (vec![Sink::Gateway], Some(PanicStrategy::Unwind)));
    }

    #[test]
    fn functions_stand_in_source_order() {
        let records = vec![
            function("users", "later", "src/main.rs:100"),
            function("users", "earlier", "src/main.rs:20"),
            function("users", "elsewhere", "src/list.rs:300"),
        ];
        assert_eq!(ids(records), ["users-elsewhere", "users-earlier", "users-later"]);
    }

    #[test]
    fn functions_that_know_an_event_alike_share_its_schema() {
        let with = |name: &str, direction: &str, ty: &str, schema: Value| {
            let Record::Function(mut record) = function("shop", name, &format!("{name}.rs:1")) else {
                panic!()
            };
            let event = json!({"type": ty, "direction": direction, "schema": schema});
            record.events.push(serde_json::from_value(event).unwrap());
            Record::Function(record)
        };
        let records = vec![
            with("c", "received", "paid", json!({"type": "number"})),
            with("b", "received", "paid", json!({"type": "integer"})),
            with("a", "emitted", "paid", json!({"type": "integer"})),
            with("d", "received", "canceled", json!({})),
            with("e", "received", "paid", json!({"type": "integer"})),
        ];
        let events = assemble(records).unwrap().unwrap().events;
        assert_eq!(
            serde_json::to_value(events).unwrap(),
            json!([
                {"type": "canceled", "schema": {"$schema": DIALECT}, "receivedBy": ["shop-d"]},
                {"type": "paid", "schema": {"$schema": DIALECT, "type": "integer"},
                 "emittedBy": ["shop-a"], "receivedBy": ["shop-b", "shop-e"]},
                {"type": "paid", "schema": {"$schema": DIALECT, "type": "number"}, "receivedBy": ["shop-c"]},
            ])
        );
    }

    #[test]
    fn no_function_is_no_service() {
        assert_eq!(assemble(vec![]), Ok(None));
        assert_eq!(assemble(vec![service("shop")]), Ok(None));
    }

    #[test]
    fn contradictions_name_both_sides() {
        let check = |records: Vec<Record>, expected: &str| {
            assert_eq!(assemble(records).unwrap_err().to_string(), expected);
        };
        check(
            vec![function("b", "x", "b.rs:1"), function("a", "y", "a.rs:1")],
            "its functions come from several packages: a, b",
        );
        check(
            vec![function("a", "x", "a.rs:10"), function("a", "x", "a.rs:9")],
            "two functions are named `x`: a.rs:9 and a.rs:10",
        );
        check(
            vec![function("a", "x", "a.rs:1"), service("one"), service("two")],
            "it names its service more than once: one, two",
        );
        check(
            vec![function("a", "../x", "a.rs:1")],
            "`../x` (a.rs:1) cannot be part of a function's id: only letters, digits, `-` and `_` can",
        );
    }
}
