//! Generates an AWS SAM template for EventBridge and Lambda from the manifests of services: a bus, a Lambda function
//! with its own role for each function, a rule for each subscription, and dead-letter queues. Building is left to
//! `artifacts`, deploying to AWS's tools.

mod api;
mod authorizers;
mod function;
mod names;
mod paths;
mod queues;
mod retry;
mod role;
mod streams;
mod tree;

use std::collections::BTreeMap;

use eg_sdk::manifest::{Function, Manifest, Trigger};

use crate::needs::{MEMORY, RUNTIME, TIMEOUT};

use self::names::{Names, SameName, arn, pascal, reference};
use self::paths::Paths;
pub(crate) use self::tree::Tree;
use self::tree::map;

/// The logical ids of the resources that all functions share.
const BUS: &str = "EventBus";
const API: &str = "HttpApi";

/// A template, with notes on what in the manifests it cannot express.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) tree: Tree,
    pub(crate) notes: Vec<String>,
}

/// Returns the template for these services on this CPU architecture. `code` returns the path of a service's zip file.
pub(crate) fn template(
    manifests: &[Manifest],
    architecture: &str,
    code: impl Fn(&str) -> String,
) -> Result<Template, SameName> {
    let mut notes = Vec::new();
    let mut names = Names::default();
    let functions = || manifests.iter().flat_map(|manifest| &manifest.functions);
    let routes = || functions().flat_map(Function::events).filter(|trigger| trigger.is_http());
    let has_bus = functions().any(uses_bus);
    let has_api = routes().next().is_some();

    let mut resources = Vec::new();
    if has_bus {
        let properties = map! { "Name" => map! { "Ref" => "AWS::StackName" } };
        let bus = map! { "Type" => "AWS::Events::EventBus", "Properties" => properties };
        resources.push((names.take(BUS.to_owned(), "the event bus")?, bus));
    }
    if has_api {
        let api = api::api(routes(), authorizers::all(manifests), &mut notes);
        resources.push((names.take(API.to_owned(), "the HTTP API")?, api));
    }
    let queues = queues(manifests, &mut names, &mut resources)?;
    let paths = Paths::of(functions(), &mut notes);
    for manifest in manifests {
        let code = code(&manifest.service);
        for function in &manifest.functions {
            let parts = function::resources(manifest, function, &code, &queues, &paths, &mut notes);
            for (id, resource) in parts {
                resources.push((names.take(id, &function.id)?, resource));
            }
        }
    }

    let parameters = streams::parameters(functions(), &mut names)?;
    let services: Vec<&str> = manifests.iter().map(|manifest| manifest.service.as_str()).collect();
    let mut outputs = Vec::new();
    if has_api {
        let url = map! { "Fn::Sub" => "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}" };
        outputs
            .push(("HttpApiUrl".to_owned(), map! { "Description" => "Where requests go", "Value" => url }));
    }
    for function in functions().filter(|function| function.streams()) {
        // SAM's name for the URL of a function.
        let url = format!("{}Url", pascal(&function.id));
        let value = map! { "Fn::GetAtt" => vec![url.clone(), "FunctionUrl".to_owned()] };
        let description = format!("Where {} streams its answers", function.id);
        outputs.push((url, map! { "Description" => description, "Value" => value }));
    }
    if has_bus {
        let value = map! { "Description" => "The bus of the events", "Value" => reference(BUS) };
        outputs.push(("EventBusName".to_owned(), value));
    }
    for function in functions().filter(|function| function.is_invoked()) {
        let id = pascal(&function.id);
        let description = format!("The function {}, for whatever invokes it", function.id);
        outputs.push((format!("{id}Arn"), map! { "Description" => description, "Value" => arn(&id) }));
    }
    let defaults = map! {
        "Runtime" => RUNTIME,
        "Architectures" => vec![architecture],
        "MemorySize" => MEMORY,
        "Timeout" => TIMEOUT,
    };
    let tree = map! {
        "AWSTemplateFormatVersion" => "2010-09-09",
        "Transform" => "AWS::Serverless-2016-10-31",
        "Description" => format!("The services {}", services.join(", ")),
    }
    .with("Parameters", Tree::Map(parameters).filled())
    .with("Globals", Some(map! { "Function" => defaults }))
    .with("Resources", Some(Tree::Map(resources)));
    Ok(Template { tree: tree.with("Outputs", Tree::Map(outputs).filled()), notes })
}

/// Returns whether the function emits to the bus of the template, or gets events from it.
fn uses_bus(function: &Function) -> bool {
    let matches = |trigger: &Trigger| match trigger {
        Trigger::Event(event) => !event.is_http(),
        Trigger::EventBridge { event_bridge: pattern, .. } => !pattern.is_of_aws(),
        _ => false,
    };
    !function.emits.is_empty() || function.triggers.iter().any(matches)
}

/// Adds the queues that functions read, each with its dead-letter queue. Returns name → logical id.
fn queues(
    manifests: &[Manifest],
    names: &mut Names,
    resources: &mut Vec<(String, Tree)>,
) -> Result<BTreeMap<String, String>, SameName> {
    // The longest time that a batch takes, including the time to collect it.
    let mut patience: BTreeMap<&str, u32> = BTreeMap::new();
    for function in manifests.iter().flat_map(|manifest| &manifest.functions) {
        for trigger in &function.triggers {
            if let Trigger::Queue { queue, window, .. } = trigger {
                let longest = function.timeout.unwrap_or(TIMEOUT) + window.unwrap_or_default();
                let known = patience.entry(queue.as_str()).or_default();
                *known = longest.max(*known);
            }
        }
    }
    let mut ids = BTreeMap::new();
    for (queue, patience) in patience {
        let fifo = eg_grammar::is_fifo(queue);
        let what = format!("queue {queue}");
        let id = names.take(format!("{}Queue", pascal(queue)), &what)?;
        let failures = names.take(format!("{id}Failures"), &what)?;
        resources.push((id.clone(), queues::source(fifo, patience, &failures)));
        resources.push((failures, queues::failures(fifo)));
        ids.insert(queue.to_owned(), id);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests;
