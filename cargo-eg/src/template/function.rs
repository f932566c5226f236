//! Generates the resources of one function: the function itself, its role, its log, and what calls it.

use std::collections::BTreeMap;

use eg_grammar::StreamKind;
use eg_grammar::variable::{CONNECTIONS, SECRETS};
use eg_sdk::manifest::{Function, Manifest, Trigger};
use serde_json::{Value as Json, json};

use crate::needs::{self, RUNTIME, Tries};
use crate::project::deploy::{FunctionSettings, Gateway, Value, Vpc};
use crate::sockets::is_socket;

use super::builder::{Builder, resource};
use super::names::{arn, in_stack, pascal, reference, sub};
use super::paths::Paths;
use super::queues::{Queues, failures_id, retrying};
use super::retry::invoke_config;
use super::role::{Own, role};
use super::rules::{Rules, queues_of};
use super::streams::Stream;
use super::{Application, Tree, api, limits, map, tables, websockets};

/// The member of a function's metadata with what a gateway calls it for.
pub(crate) const REGISTERED: &str = "Registered";

/// How many days a function's log is kept.
const LOGGED: u32 = 30;
/// The smallest limit that Lambda takes for the concurrency of a queue's mapping.
const CONCURRENT: u32 = 2;

/// A function and what it belongs to.
pub(super) struct Whole<'a> {
    pub(super) application: &'a Application<'a>,
    pub(super) manifest: &'a Manifest,
    pub(super) function: &'a Function,
    pub(super) queues: &'a Queues,
    pub(super) paths: &'a Paths,
}

/// What the rest of the template must know of a function.
pub(super) struct Made {
    /// The logical ids of the rules that may send what they cannot deliver to the service's queue.
    pub(super) rules: Vec<String>,
    /// The logical ids of the queues with events that are retried.
    pub(super) queues: Vec<String>,
}

/// Returns what reads a queue for a function; both are logical ids.
fn reads(function: &str, queue: &str, concurrency: Option<u32>) -> Tree {
    // A queue does not try more often than the function may run.
    let most = concurrency.filter(|most| *most >= CONCURRENT);
    map! {
        "FunctionName" => reference(function),
        "EventSourceArn" => arn(queue),
        "FunctionResponseTypes" => vec!["ReportBatchItemFailures"],
    }
    .with("ScalingConfig", most.map(|most| map! { "MaximumConcurrency" => most }))
}

/// Returns the network of a function in CloudFormation's words.
fn network(vpc: &Vpc) -> Tree {
    let ids = |ids: &[Json]| ids.iter().cloned().map(Tree::Json).collect::<Vec<_>>();
    map! { "SubnetIds" => ids(&vpc.subnets), "SecurityGroupIds" => ids(&vpc.security_groups) }
}

impl Whole<'_> {
    /// Adds the resources.
    pub(super) fn add(&self, code: &str, builder: &mut Builder) -> Made {
        let Self { application, manifest, function, .. } = self;
        let (id, what) = (pascal(&function.id), function.id.as_str());
        let log = format!("{id}Log");
        let settings = application.stage.function(&function.id).cloned().unwrap_or_default();
        let itself = self.function(&id, code, &settings, builder);
        builder.add(id.clone(), what, itself);
        let retried = queues_of(application, function, &id, &mut builder.problems);
        let own = Own {
            log: &log,
            function: &function.id,
            service: &manifest.service,
            queues: self.queues,
            retried: retried.keys().map(String::as_str).collect(),
        };
        let permissions = needs::permissions(manifest, function, Some(application.stage));
        let role = role(application, permissions, &settings.policies, &own, &mut builder.problems);
        builder.add(format!("{id}Role"), what, role);
        let name = sub(&format!("/aws/lambda/${{AWS::StackName}}-{}", function.id));
        let properties = map! { "LogGroupName" => name, "RetentionInDays" => LOGGED };
        let properties = properties.with("Tags", application.tags(&[]));
        builder.add(log, what, resource("AWS::Logs::LogGroup", properties));

        if !application.is_behind_gateway() {
            api::routes(application, function, &id, self.paths, builder);
        }
        self.mappings(&id, settings.concurrency, builder);
        let mut rules = Rules::new(application, &manifest.service, function, &id);
        rules.add(builder);
        if let Some(tries) = Tries::of(function, Some(application.stage)) {
            let config = invoke_config(tries, &id, &arn(&failures_id(&manifest.service)));
            builder.add(format!("{id}Retries"), what, resource("AWS::Lambda::EventInvokeConfig", config));
        }
        let (made, into_queues) = (rules.made, rules.into_queues);
        for (queue, retries) in &retried {
            let rules = into_queues.get(queue).map_or(&[][..], Vec::as_slice);
            retrying(application, what, (queue, *retries), rules, builder);
            let properties = reads(&id, queue, settings.concurrency)
                // An event has the whole time of the function.
                .with("BatchSize", Some(1_u32));
            let mapping = resource("AWS::Lambda::EventSourceMapping", properties);
            builder.add(format!("{id}Reads{queue}"), what, mapping);
        }
        Made { rules: made, queues: retried.into_keys().collect() }
    }

    fn function(&self, id: &str, code: &str, settings: &FunctionSettings, builder: &mut Builder) -> Tree {
        let Self { application, manifest, function, .. } = self;
        let timeout = needs::timeout(function, Some(application.stage));
        let is_answered = !application.is_behind_gateway()
            && function.events().any(|event| needs::is_route(event) && !event.stream);
        if timeout > needs::ANSWERED && is_answered {
            builder.notes.push(format!(
                "{}: an HTTP API waits {} seconds for an answer, so its callers get a 503 before its timeout of {timeout} seconds",
                function.id,
                needs::ANSWERED + 1
            ));
        }
        let tags = [("eg:service", manifest.service.as_str()), ("eg:function", function.name.as_str())];
        let properties = map! {
            "FunctionName" => in_stack(&function.id),
        }
        .with(
            "Description",
            function.doc.as_deref().map(|doc| limits::described(doc, limits::FUNCTION_DESCRIPTION)),
        )
        .with("Runtime", Some(RUNTIME))
        .with("Architectures", Some(vec![application.architecture]))
        .with("Code", Some(code))
        .with("Handler", Some(format!("{}.{}", manifest.service, function.name)))
        .with("Role", Some(arn(&format!("{id}Role"))))
        .with("MemorySize", Some(needs::memory(function, Some(application.stage))))
        .with("Timeout", Some(timeout))
        .with("ReservedConcurrentExecutions", settings.concurrency)
        .with("VpcConfig", application.stage.vpc(&function.id).map(network))
        .with("Environment", self.variables(builder))
        .with("LoggingConfig", Some(map! { "LogGroup" => reference(&format!("{id}Log")) }))
        .with("TracingConfig", Some(map! { "Mode" => "Active" }))
        .with("Tags", application.tags(&tags));
        map! {
            "Type" => "AWS::Lambda::Function",
            "Metadata" => map! { "Source" => function.source.as_str() }.with(REGISTERED, self.registered()),
            "Properties" => properties,
        }
    }

    /// Returns what the gateway calls the function for, so that a template has all that a registration needs.
    fn registered(&self) -> Option<Json> {
        let Self { application, manifest, function, .. } = self;
        let is_registered = |trigger: &&Trigger| match trigger {
            Trigger::Event(event) => !is_socket(event),
            Trigger::EventBridge { event_bridge, .. } => !event_bridge.is_of_aws(),
            _ => false,
        };
        application.is_behind_gateway().then(|| {
            let triggers: Vec<&Trigger> = function.triggers.iter().filter(is_registered).collect();
            json!({
                "service": manifest.service, "id": function.id, "name": function.name, "source": function.source,
                "triggers": triggers, "emits": function.emits,
            })
        })
    }

    /// Returns the variables of the function.
    fn variables(&self, builder: &mut Builder) -> Option<Tree> {
        let Self { application, manifest, function, .. } = self;
        let stage = application.stage;
        let mut all: BTreeMap<&str, Tree> = BTreeMap::new();
        for (name, value) in stage.variables(&manifest.service, &function.id) {
            match value {
                Value::Text(text) => drop(all.insert(name, text.as_str().into())),
                Value::Template(value) => drop(all.insert(name, Tree::Json(value.clone()))),
                Value::Secret(_) => {}
            }
        }
        let secrets = stage.secrets(&manifest.service, &function.id);
        if !secrets.is_empty() {
            let references =
                secrets.into_iter().map(|(name, secret)| (name.to_owned(), secret.to_string().into()));
            let references = serde_json::Value::Object(references.collect());
            all.insert(SECRETS, references.to_string().into());
        }
        for (name, table) in stage.tables(&manifest.service) {
            all.insert(&table.variable, tables::name_of(name, table));
        }
        for (name, queue) in stage.queues(&manifest.service) {
            let own = || self.queues.get(name).map_or_else(|| name.into(), |id| reference(id));
            let url = queue.existing.as_ref().map_or_else(own, |existing| existing.url.as_str().into());
            all.insert(&queue.variable, url);
        }
        let set = stage.variables(&manifest.service, &function.id);
        for (name, value) in stage.gateway.iter().flat_map(Gateway::variables) {
            all.insert(name, value.into());
            if set.contains_key(name) {
                builder.problems.push(format!(
                    "{}: `{name}` follows from the gateway: remove it from `environment` or `secrets` in eg.toml",
                    function.id
                ));
            }
        }
        for name in needs::variables(function, Some(stage)) {
            let value = match name {
                needs::FAILURES_QUEUE => reference(&failures_id(&manifest.service)),
                CONNECTIONS => websockets::management_url(),
                _ => application.bus(),
            };
            all.insert(name, value);
        }
        builder.problems.extend(limits::too_large(&function.id, &all));
        let all = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Tree::Map(all).filled().map(|set| map! { "Variables" => set })
    }

    /// Adds what reads queues and streams for the function.
    fn mappings(&self, id: &str, concurrency: Option<u32>, builder: &mut Builder) {
        let Self { application: _, manifest, function, queues, .. } = self;
        for trigger in &function.triggers {
            let (words, properties) = match trigger {
                Trigger::Queue { queue, batch_size, window, .. } => {
                    let Some(source) = queues.get(queue.as_str()) else { continue };
                    let properties = reads(id, source, concurrency)
                        .with("BatchSize", *batch_size)
                        .with("MaximumBatchingWindowInSeconds", *window);
                    (format!("reads {queue}"), properties)
                }
                Trigger::Stream { stream, source, .. } => {
                    let Some(read) = Stream::of(trigger) else { continue };
                    let has_network = self.application.stage.vpc(&function.id).is_some();
                    if *source == StreamKind::Kafka && !has_network {
                        builder.notes.push(format!(
                            "{}: the function must reach the cluster of topic {stream}: set its `vpc` in eg.toml",
                            function.id
                        ));
                    }
                    let failures = failures_id(&manifest.service);
                    (
                        format!("reads {source} {stream}"),
                        read.mapping(id, &function.id, &failures, &mut builder.notes),
                    )
                }
                // Rules and routes call the others; who invokes a function by its name has the ARN as an output.
                Trigger::Event(_)
                | Trigger::Schedule { .. }
                | Trigger::EventBridge { .. }
                | Trigger::Authorizer { .. }
                | Trigger::Invoke { .. } => continue,
                _ => {
                    builder.notes.push(format!(
                        "{}: this version cannot create a template for one of its triggers",
                        function.id
                    ));
                    continue;
                }
            };
            let mapping = builder.free(format!("{id}{}", pascal(&words)));
            builder.add(mapping, &function.id, resource("AWS::Lambda::EventSourceMapping", properties));
        }
    }
}
