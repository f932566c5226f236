//! Finds ids that two functions share and names that AWS would refuse at deployment. The rules for names are in
//! `eg-grammar`.

use std::collections::BTreeMap;

use eg_grammar::check_function_name;
use eg_grammar::limits::{EVENT_BRIDGE_TYPE, LAMBDA_NAME};
use eg_sdk::manifest::Function;

use super::model::{Service, functions, place};
use super::{Class, Finding};

/// Returns the ids that functions of different services share.
pub(super) fn duplicates(services: &[Service]) -> Vec<Finding> {
    let mut by_id: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in functions(services) {
        by_id.entry(&function.id).or_default().push(function);
    }
    by_id
        .into_iter()
        .filter(|(_, functions)| functions.len() > 1)
        .map(|(id, functions)| {
            let places = functions.into_iter().map(|function| place(function, "")).collect();
            Finding::new(Class::DuplicateId, format!("several functions have the id {id}"), places)
                .help("rename one of the services: `eg_runtime::service!(\"name\");` in its main.rs")
        })
        .collect()
}

/// Returns the names that would make a deployment fail.
pub(super) fn refused(services: &[Service]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for function in functions(services) {
        let mut refuse = |message: String, help: &str| {
            findings.push(Finding::new(Class::BadName, message, vec![place(function, "")]).help(help));
        };
        let id = &function.id;
        if id.len() > LAMBDA_NAME {
            let message = format!(
                "function names on Lambda have at most {LAMBDA_NAME} characters; {id} has {}",
                id.len()
            );
            refuse(message, "shorten the function's name (`name = \"…\"`) or the service's");
        }
        if let Err(mistake) = check_function_name(id) {
            refuse(mistake.into(), "rename the function (`name = \"…\"`) or the service");
        }
        for ty in event_types(function) {
            let length = ty.chars().count();
            if length > EVENT_BRIDGE_TYPE {
                let message = format!(
                    "detail types on EventBridge have at most {EVENT_BRIDGE_TYPE} characters; {ty} has {length}"
                );
                refuse(message, "shorten the event type");
            }
        }
    }
    findings
}

fn event_types(function: &Function) -> impl Iterator<Item = &str> {
    let emitted = function.emits.iter().map(String::as_str);
    emitted.chain(function.events().map(|trigger| trigger.event_type.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn a_shared_id_names_every_function() {
        let services =
            services(&[("shop", &[("list", &[], &[])]), ("shop", &[("list", &[], &[]), ("buy", &[], &[])])]);
        assert_eq!(
            texts(&duplicates(&services)),
            ["several functions have the id shop-list @ shop.rs:1 shop-list, shop.rs:1 shop-list"]
        );
    }

    #[test]
    fn what_aws_refuses() {
        let long = "x".repeat(60);
        let wide = format!("a.{}", "b".repeat(127));
        let given = services(&[(
            "shop",
            &[
                ("list", &["GET /"], &["order.placed"]),
                (&long, &[], &[]),
                ("a.b", &[], &[]),
                ("c", &[], &[&wide]),
            ],
        )]);
        assert_eq!(
            texts(&refused(&given)),
            [
                format!(
                    "function names on Lambda have at most 64 characters; shop-{long} has 65 @ shop.rs:2 shop-{long}"
                ),
                "\"shop-a.b\" cannot name a function: use letters, digits, `-` and `_` @ shop.rs:3 shop-a.b"
                    .to_owned(),
                format!(
                    "detail types on EventBridge have at most 128 characters; {wide} has 129 @ shop.rs:4 shop-c"
                ),
            ]
        );
    }
}
