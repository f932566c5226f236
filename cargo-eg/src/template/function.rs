//! Generates the resources of one function: the function itself, its role, its log, and its dead-letter queue.

use std::collections::BTreeMap;

use eg_grammar::StreamKind;
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function, Manifest, Method, RoutePath, Trigger};

use crate::needs;

use super::names::{arn, pascal, reference};
use super::paths::Paths;
use super::retry::{Tries, rule_policy};
use super::role::{Ids, role};
use super::streams::Stream;
use super::{BUS, Tree, api, map, queues};

/// How many days a function's log is kept.
const LOGGED: u32 = 30;
/// CloudFormation's limit for a description, in characters.
const DESCRIBED: usize = 256;

/// The resources that a function's triggers become.
#[derive(Default)]
struct Sources {
    /// SAM's event sources, by name.
    events: Vec<(String, Tree)>,
    /// The logical ids of the rules that SAM creates for them.
    rules: Vec<String>,
    tries: Tries,
}

/// Returns logical ids and resources. The function's dead-letter queue receives both the events that a rule cannot
/// deliver and those at which the function fails.
pub(super) fn resources(
    manifest: &Manifest,
    function: &Function,
    code: &str,
    known_queues: &BTreeMap<String, String>,
    paths: &Paths,
    notes: &mut Vec<String>,
) -> Vec<(String, Tree)> {
    let id = pascal(&function.id);
    let (log, failures) = (format!("{id}Log"), format!("{id}Failures"));
    let mut sources = Sources::default();
    for trigger in &function.triggers {
        if let Trigger::Event(event) = trigger
            && event.is_http()
        {
            sources.route(function, event, paths, notes);
        } else {
            sources.add(&id, function, trigger, &failures, known_queues, notes);
        }
    }
    let queue = |name: &str| known_queues.get(name).cloned().unwrap_or_default();
    let ids = Ids { log: &log, failures: &failures, queue: &queue };
    let role = role(needs::permissions(manifest, function), &ids);
    let has_rules = !sources.rules.is_empty();
    let value = |name| if name == needs::FAILURES_QUEUE { reference(&failures) } else { reference(BUS) };
    let variables = needs::variables(function).into_iter().map(|name| (name.to_owned(), value(name)));
    let variables: Vec<_> = variables.collect();
    let failures = needs::keeps_failures(function).then_some(failures);
    let variables = Tree::Map(variables).filled().map(|set| map! { "Variables" => set });
    let properties = map! {
        "CodeUri" => code,
        "Handler" => format!("{}.{}", manifest.service, function.name),
        "Role" => arn(&format!("{id}Role")),
        "LoggingConfig" => map! { "LogGroup" => reference(&log) },
    }
    .with("Description", function.doc.as_deref().map(described))
    .with("MemorySize", function.memory)
    .with("Timeout", function.timeout)
    .with("Environment", variables)
    .with(
        "EventInvokeConfig",
        failures.as_ref().filter(|_| has_rules).map(|queue| sources.tries.invoke_config(arn(queue))),
    )
    .with("Events", Tree::Map(sources.events).filled())
    .with("FunctionUrlConfig", api::url(function, notes));

    let mut resources = vec![
        (id.clone(), map! { "Type" => "AWS::Serverless::Function", "Properties" => properties }),
        (format!("{id}Role"), role),
        (log, log_group()),
    ];
    if let Some(queue) = failures {
        let policy = has_rules.then(|| queues::policy(&queue, &sources.rules));
        resources.push((queue.clone(), queues::failures(false)));
        resources.extend(policy.map(|policy| (format!("{queue}Policy"), policy)));
    }
    resources
}

impl Sources {
    fn route(&mut self, function: &Function, event: &EventTrigger, paths: &Paths, notes: &mut Vec<String>) {
        let EventTrigger { method, path, mode, .. } = event;
        let Some(spelled) = paths.get(function, event) else { return };
        if *mode == SubscriptionType::Async {
            notes.push(format!("{}: an HTTP API waits for the answer, also of {method} {path}", function.id));
        }
        self.push(
            &format!("{} {path}", method.as_str().to_lowercase()),
            api::route(function, event, spelled),
        );
    }

    fn add(
        &mut self,
        id: &str,
        function: &Function,
        trigger: &Trigger,
        failures: &str,
        known_queues: &BTreeMap<String, String>,
        notes: &mut Vec<String>,
    ) {
        match trigger {
            Trigger::Event(event) => self.subscription(id, function, event, failures, notes),
            Trigger::Schedule { schedule, .. } => {
                self.tries.add(&function.id, None, notes);
                let properties = map! {
                    "Schedule" => schedule.as_str(),
                    "DeadLetterConfig" => map! { "Arn" => arn(failures) },
                    "RetryPolicy" => rule_policy(None),
                };
                let event = map! { "Type" => "Schedule", "Properties" => properties };
                self.rule(id, "schedule", event);
            }
            Trigger::Queue { queue, batch_size, window, .. } => {
                let Some(queue) = known_queues.get(queue.as_str()) else { return };
                let properties = map! {
                    "Queue" => arn(queue),
                    "FunctionResponseTypes" => vec!["ReportBatchItemFailures"],
                }
                .with("BatchSize", *batch_size)
                .with("MaximumBatchingWindowInSeconds", *window);
                self.push(queue, map! { "Type" => "SQS", "Properties" => properties });
            }
            Trigger::EventBridge { event_bridge: pattern, retry, .. } => {
                self.tries.add(&function.id, retry.as_ref(), notes);
                // Services of AWS emit on the default bus only.
                let bus = (!pattern.is_of_aws()).then(|| reference(BUS));
                let properties = map! {
                    "Pattern" => serde_json::to_value(pattern).unwrap_or_default(),
                    "DeadLetterConfig" => map! { "Arn" => arn(failures) },
                    "RetryPolicy" => rule_policy(retry.as_ref()),
                }
                .with("EventBusName", bus);
                let words = format!("on {}", pattern.detail_type.join(" "));
                self.rule(id, &words, map! { "Type" => "EventBridgeRule", "Properties" => properties });
            }
            Trigger::Stream { stream, source, .. } => {
                let Some(read) = Stream::of(trigger) else { return };
                if *source == StreamKind::Kafka {
                    notes.push(format!(
                        "{}: the function must reach the cluster of topic {stream}: add a `VpcConfig` and the permissions for it",
                        function.id
                    ));
                }
                self.push(&format!("{source} {stream}"), read.source(&function.id, failures, notes));
            }
            // Whoever invokes the function is outside of the template, which has the ARN as an output.
            // Nor does an authorizer have an event source: the API and its routes name it.
            Trigger::Invoke { .. } | Trigger::Authorizer { .. } => {}
            _ => {
                notes.push(format!(
                    "{}: this version cannot create a template for one of its triggers",
                    function.id
                ));
            }
        }
    }

    fn subscription(
        &mut self,
        id: &str,
        function: &Function,
        event: &EventTrigger,
        failures: &str,
        notes: &mut Vec<String>,
    ) {
        let EventTrigger { event_type, method, path, .. } = event;
        let name = &function.id;
        let pattern = match needs::pattern(event) {
            Ok(pattern) => pattern,
            Err(reason) => return notes.push(format!("{name}: {reason}")),
        };
        if *path != RoutePath::root() || *method != Method::Post {
            notes.push(format!(
                "{name}: an event bus has no paths, so it gets every {event_type}, not only {method} {path}"
            ));
        }
        self.tries.add(name, event.retry.as_ref(), notes);
        let properties = map! {
            "EventBusName" => reference(BUS),
            "Pattern" => pattern,
            "DeadLetterConfig" => map! { "Arn" => arn(failures) },
            "RetryPolicy" => rule_policy(event.retry.as_ref()),
        };
        self.rule(
            id,
            &format!("on {event_type}"),
            map! { "Type" => "EventBridgeRule", "Properties" => properties },
        );
    }

    fn rule(&mut self, function: &str, name: &str, event: Tree) {
        let name = self.push(name, event);
        self.rules.push(format!("{function}{name}"));
    }

    /// Adds an event source under a unique name.
    fn push(&mut self, words: &str, event: Tree) -> String {
        let name = pascal(words);
        let taken = |name: &String| self.events.iter().any(|(taken, _)| taken == name);
        let free = (2..).map(|n| format!("{name}{n}")).find(|name| !taken(name));
        let name = if taken(&name) { free.unwrap_or_default() } else { name };
        self.events.push((name.clone(), event));
        name
    }
}

fn log_group() -> Tree {
    map! { "Type" => "AWS::Logs::LogGroup", "Properties" => map! { "RetentionInDays" => LOGGED } }
}

fn described(doc: &str) -> String {
    doc.chars().take(DESCRIBED).collect()
}
