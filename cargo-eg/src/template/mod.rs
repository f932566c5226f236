//! Generates a CloudFormation template for EventBridge and Lambda from the manifests of services and the settings of a stage.
//! Building is left to `artifacts`, deploying to the tools that read the template.
//!
//! The template uses no transform, so what it shows is what AWS creates, and `sam deploy`, `aws cloudformation` and `cargo eg`
//! read the same text.

mod alarms;
mod api;
mod archive;
mod authorizers;
mod builder;
mod domain;
mod extra;
mod function;
mod limits;
mod names;
mod nested;
mod outputs;
mod paths;
mod queues;
mod retry;
mod role;
mod rules;
mod streams;
mod tables;
mod tree;
mod websockets;

use std::collections::BTreeMap;

use eg_sdk::manifest::{Function, Manifest};

use crate::needs;
use crate::project::deploy::{Bus, ExistingQueue, Gateway, Stage};
use crate::sockets::is_socket;
use crate::state::running::is_local;

#[cfg(feature = "aws")]
pub(crate) use self::archive::{OUTPUTS as ARCHIVE, REPLAYS};
use self::builder::{Builder, resource};
pub(crate) use self::extra::Extra;
pub(crate) use self::function::REGISTERED;
use self::names::{arn, pascal, reference, sub};
#[cfg(feature = "aws")]
pub(crate) use self::nested::moved;
pub(crate) use self::nested::{Owner, Owners, divided, joined, nested, nested_mut, separated};
pub(crate) use self::outputs::GATEWAY;
use self::paths::Paths;
pub(crate) use self::tree::Tree;
use self::tree::map;

/// The logical ids of the resources that all functions share.
const BUS: &str = "EventBus";
const API: &str = "HttpApi";
const SOCKETS: &str = "WebSocketApi";

/// What a template is made for.
pub(crate) struct Application<'a> {
    /// The services that are deployed.
    pub(crate) manifests: &'a [Manifest],
    pub(crate) stage: &'a Stage,
    /// The processor of the functions, as Lambda spells it.
    pub(crate) architecture: &'a str,
    /// Returns the path of the zip file of a service.
    pub(crate) code: &'a dyn Fn(&str) -> String,
    /// What the stack gets besides.
    pub(crate) extra: &'a Extra,
}

/// A template, with notes on what in the manifests AWS does differently.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) tree: Tree,
    pub(crate) notes: Vec<String>,
    /// Which resources belong to one function, so that the template can be divided.
    pub(crate) owners: Owners,
}

/// Why there is no template: everything that AWS would refuse or never do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n       "))]
pub(crate) struct Refused(pub(crate) Vec<String>);

impl Application<'_> {
    /// Returns the functions that are deployed, each with its service.
    fn functions(&self) -> impl Iterator<Item = (&Manifest, &Function)> + Clone {
        let services = self.manifests.iter();
        services.flat_map(|manifest| manifest.functions.iter().map(move |function| (manifest, function)))
    }

    /// Returns the services whose functions need a queue for what they fail to handle.
    fn services_with_failures(&self) -> impl Iterator<Item = &Manifest> {
        let keeps = |function: &Function| needs::keeps_failures(function, Some(self.stage));
        self.manifests.iter().filter(move |manifest| manifest.functions.iter().any(keeps))
    }

    /// Whether a gateway calls the functions, instead of an HTTP API and the rules of a bus.
    fn is_behind_gateway(&self) -> bool {
        needs::is_behind_gateway(Some(self.stage))
    }

    /// Whether functions emit to the application's bus, or get events from it.
    fn has_bus(&self) -> bool {
        if self.is_behind_gateway() {
            return false;
        }
        self.functions().any(|(_, function)| {
            !function.emits.is_empty() || !needs::patterns(function, Some(self.stage)).is_empty()
        })
    }

    /// Whether functions handle the events of connections, so that there is a WebSocket API.
    fn has_sockets(&self) -> bool {
        self.functions().any(|(_, function)| function.events().any(is_socket))
    }

    /// Returns the name or the ARN of the bus, as rules and functions name it.
    fn bus(&self) -> Tree {
        match &self.stage.bus {
            Bus::Own => reference(BUS),
            Bus::Existing(name) => name.as_str().into(),
        }
    }

    /// Returns the ARN of the bus.
    fn bus_arn(&self) -> Tree {
        match &self.stage.bus {
            Bus::Own => arn(BUS),
            Bus::Existing(name) if name.starts_with("arn:") => name.as_str().into(),
            Bus::Existing(name) => sub(&format!(
                "arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:event-bus/{name}"
            )),
        }
    }

    /// Returns the queue of somebody else that has this name in `eg.toml`.
    fn existing_queue(&self, name: &str) -> Option<&ExistingQueue> {
        self.stage.queues.get(name)?.existing.as_ref()
    }

    /// Returns the stage's tags and `more`, as most resources spell them.
    fn tags(&self, more: &[(&str, &str)]) -> Option<Tree> {
        let own = self.stage.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let all = own.chain(more.iter().copied());
        let tags = all.map(|(key, value)| map! { "Key" => key, "Value" => value });
        Tree::List(tags.collect()).filled()
    }
}

/// Returns the template for an application.
///
/// # Errors
/// Lists what AWS would refuse, and the triggers that nothing there would fire.
pub(crate) fn template(application: &Application<'_>) -> Result<Template, Refused> {
    let mut builder = Builder::default();
    if application.has_bus() && application.stage.bus == Bus::Own {
        let properties = map! { "Name" => reference("AWS::StackName") }.with("Tags", application.tags(&[]));
        builder.add(BUS.to_owned(), "the event bus", resource("AWS::Events::EventBus", properties));
    }
    archive::archive(application, &mut builder);
    let mut paths = Paths::default();
    match &application.stage.gateway {
        Some(gateway) => builder.notes.extend(unreachable(gateway)),
        None => {
            let functions = application.functions().map(|(_, function)| function);
            paths = Paths::of(functions, &mut builder.notes);
            api::api(application, &paths, &mut builder);
        }
    }
    domain::domain(application, &mut builder);
    websockets::api(application, &mut builder);
    authorizers::others(application, &mut builder);
    tables::tables(application, &mut builder);
    let queues = queues::queues(application, &mut builder);
    let mut retried = Vec::new();
    for manifest in application.manifests {
        let code = (application.code)(&manifest.service);
        let mut rules = Vec::new();
        for function in &manifest.functions {
            let whole = function::Whole { application, manifest, function, queues: &queues, paths: &paths };
            let made = whole.add(&code, &mut builder);
            rules.extend(made.rules);
            retried.extend(made.queues);
        }
        let keeps = |function: &Function| needs::keeps_failures(function, Some(application.stage));
        if manifest.functions.iter().any(keeps) {
            queues::failures_of(application, &manifest.service, &rules, &mut builder);
        }
    }
    let alarms = alarms::alarms(application, queues.values().chain(&retried), &mut builder);
    if alarms {
        builder.take(alarms::TOPIC, "the topic of alarms");
    }
    // Their names are taken before the file is read, so that a mistake is at a place in the file.
    let mut parameters =
        streams::parameters(application.functions().map(|(_, function)| function), &mut builder);
    application.extra.add_resources(application, &mut builder);
    let conditions = alarms.then(alarms::condition);
    if alarms {
        parameters.push(alarms::parameter());
    }
    let mut outputs = outputs::outputs(application, &queues);
    let services: Vec<&str> =
        application.manifests.iter().map(|manifest| manifest.service.as_str()).collect();
    let owners = owners(application, &builder);
    let Builder { resources, notes, mut problems, .. } = builder;
    application.extra.add_outputs(&mut outputs, &mut problems);
    let has = |reference: &extra::Reference| match reference {
        extra::Reference::Resource(name) => {
            resources.iter().chain(&parameters).any(|(known, _)| known == name)
        }
        extra::Reference::Condition(name) => alarms && name == alarms::HAS_TOPIC,
        // No template of ours has mappings.
        extra::Reference::Mapping(_) => false,
    };
    problems.extend(application.extra.dangling(application, has));
    problems.extend(limits::exceeded(application, &resources, &outputs));
    let tree = map! {
        "AWSTemplateFormatVersion" => "2010-09-09",
        "Description" => limits::described(&format!("The services {}", services.join(", ")), limits::DESCRIPTION),
    }
    .with("Parameters", Tree::Map(parameters).filled())
    .with("Conditions", conditions)
    .with("Resources", Some(Tree::Map(resources)))
    .with("Outputs", Tree::Map(outputs).filled());
    match problems.is_empty() {
        true => Ok(Template { tree, notes, owners }),
        false => Err(Refused(problems)),
    }
}

/// Returns the resources that the template has for one function each.
fn owners(application: &Application<'_>, builder: &Builder) -> Owners {
    let of_function = |(manifest, function): (&Manifest, &Function)| {
        let owner = Owner { function: pascal(&function.id), service: manifest.service.clone() };
        (function.id.clone(), owner)
    };
    let functions: BTreeMap<String, Owner> = application.functions().map(of_function).collect();
    let owned = |(id, _): &(String, Tree)| {
        let owner = functions.get(builder.owner(id)?)?;
        Some((id.clone(), owner.clone()))
    };
    builder.resources.iter().filter_map(owned).collect()
}

/// Returns the note about a gateway to which functions on AWS cannot emit.
fn unreachable(gateway: &Gateway) -> Option<String> {
    is_local(&gateway.url).then(|| {
        format!("the gateway `{}` is on this machine: functions on AWS cannot emit events to it", gateway.url)
    })
}

#[cfg(test)]
mod tests;
