//! Derives from the manifest what a function needs on AWS: the events of a bus, permissions with their reasons, variables.
//! `template` and `artifacts` write it down, each in a format of its own.

mod filter;
mod retries;
mod rules;

use std::collections::BTreeMap;

use eg_grammar::variable::CONNECTIONS;
use eg_grammar::{EVENT_RECEIVED, SecretReference, StreamKind, is_system_event_type};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function, Manifest, RetryOptions, RoutePath, Trigger};
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use self::filter::PATTERN;
pub(crate) use self::retries::{HIDDEN, KEPT, Retries, Tries, retry_of};
pub(crate) use self::rules::{Rule, rule_of};
use crate::project::deploy::{EVENT_BUS, Stage};
use crate::sockets::is_socket;

/// The timeout in seconds and the memory in megabytes of functions that set none.
pub(crate) const TIMEOUT: u32 = 30;
pub(crate) const MEMORY: u32 = 256;

/// The runtime of Lambda in which programs run.
pub(crate) const RUNTIME: &str = "provided.al2023";

/// The variable with the URL of the queue that keeps what the function rejects.
pub(crate) use eg_grammar::variable::FAILURES_QUEUE;

/// How many seconds a function behind an HTTP or WebSocket API has at most: an HTTP API gives up after 30, a WebSocket API after 29
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>).
pub(crate) const ANSWERED: u32 = 29;

/// What Lambda does with the network interfaces of a function in a VPC. AWS's own policy for it is for all resources, too
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
const INTERFACES: [&str; 6] = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
];

/// What Lambda does with a queue whose messages trigger a function.
pub(crate) const READING_QUEUE: [&str; 3] =
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// What a function may do.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Permission<'a> {
    pub(crate) actions: Vec<String>,
    pub(crate) on: Resource<'a>,
    /// The condition, in IAM's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<Value>,
    /// What in the code requires it.
    pub(crate) reason: String,
}

/// What a permission is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Resource<'a> {
    /// The function's log group.
    Log,
    /// The event bus.
    Bus,
    /// The queue for what the function fails to handle or rejects.
    Failures,
    /// A queue that triggers the function, or to which it sends.
    Queue(&'a str),
    /// A table of `eg.toml`.
    Table(&'a str),
    /// A parameter of Systems Manager, without version and label.
    Parameter(&'a str),
    /// The name or the ARN of a secret of Secrets Manager.
    Secret(&'a str),
    /// The connections of the application's WebSocket API.
    Connections,
    /// Everything, for actions that know no resources.
    Every,
    /// A stream that the function reads: a table, a stream or a topic.
    Stream {
        #[serde(serialize_with = "kind")]
        source: StreamKind,
        name: &'a str,
    },
}

/// Returns the pattern of the events that a rule must deliver to a function.
///
/// # Errors
/// Returns the reason why no rule can deliver them.
pub(crate) fn pattern(event: &EventTrigger) -> Result<Value, String> {
    let ty = event.event_type.as_str();
    if event.mode == SubscriptionType::Sync {
        return Err(format!(
            "an event bus returns no answers, so nothing there asks for {ty}; with a `path`, the subscription would be a route of \
             the HTTP API"
        ));
    }
    if is_socket(event) {
        return Err(format!("{ty} comes from the WebSocket API"));
    }
    if ty.starts_with("com.amazonaws.") {
        return Err(format!("{ty} comes from a service of AWS, which must be connected by hand"));
    }
    match ty {
        // The gateway reports each event with one of its own. On the bus, a rule matches each event instead.
        EVENT_RECEIVED if event.filter.is_some() => Err(format!(
            "a bus delivers the events themselves instead of {ty}, and the filter is for the report of the gateway"
        )),
        EVENT_RECEIVED => Ok(json!({"source": [{"prefix": ""}]})),
        ty if is_of_gateway(ty) => Err(format!(
            "{ty} comes from an event gateway, and the stage has none: `gateway` in eg.toml names one"
        )),
        ty => filter::pattern(ty, event),
    }
}

/// Whether only an event gateway emits an event type, and nothing on an event bus takes its place.
pub(crate) fn is_of_gateway(ty: &str) -> bool {
    is_system_event_type(ty) && ty != EVENT_RECEIVED
}

/// Whether a trigger is a route of the HTTP API: an HTTP function's, or a synchronous subscription's with a path.
pub(crate) fn is_route(event: &EventTrigger) -> bool {
    event.is_http() || event.mode == SubscriptionType::Sync && event.path != RoutePath::root()
}

/// Whether a gateway, and not a bus and an HTTP API, calls the functions of a stage.
pub(crate) fn is_behind_gateway(stage: Option<&Stage>) -> bool {
    stage.is_some_and(|stage| stage.gateway.is_some())
}

/// Returns the timeout of a function in seconds: that of `eg.toml`, or of the code, or else the longest that the HTTP API waits, or
/// the usual one.
pub(crate) fn timeout(function: &Function, stage: Option<&Stage>) -> u32 {
    let set = stage.and_then(|stage| stage.function(&function.id)).and_then(|settings| settings.timeout);
    let is_answered = |event| is_route(event) && !is_behind_gateway(stage) || is_socket(event);
    let usual = if function.events().any(is_answered) { ANSWERED } else { TIMEOUT };
    set.or(function.timeout).unwrap_or(usual)
}

/// Returns the memory of a function in megabytes: that of `eg.toml`, or of the code, or else the usual one.
pub(crate) fn memory(function: &Function, stage: Option<&Stage>) -> u32 {
    let set = stage.and_then(|stage| stage.function(&function.id)).and_then(|settings| settings.memory);
    set.or(function.memory).unwrap_or(MEMORY)
}

/// Returns the patterns of the events that a function gets from the application's bus. A gateway delivers them without patterns.
pub(crate) fn patterns(function: &Function, stage: Option<&Stage>) -> Vec<Value> {
    let of_bus = |trigger| match rule_of(trigger, stage)? {
        Rule::OfBus(pattern) => Some(pattern),
        Rule::OfAws(_) | Rule::Schedule(_) => None,
    };
    function.triggers.iter().filter_map(of_bus).collect()
}

/// Returns the patterns of the events that a function gets from the default bus, where AWS's services emit them.
pub(crate) fn patterns_of_aws(function: &Function) -> Vec<Value> {
    let of_aws = |trigger| match rule_of(trigger, None)? {
        Rule::OfAws(pattern) => Some(pattern),
        Rule::OfBus(_) | Rule::Schedule(_) => None,
    };
    function.triggers.iter().filter_map(of_aws).collect()
}

/// Returns whether what the function fails to handle or rejects needs a place: events, for whose handling nobody waits,
/// records of streams, and messages. A queue keeps the messages that fail, but not those that are rejected. What a gateway
/// delivers has its place there.
pub(crate) fn keeps_failures(function: &Function, stage: Option<&Stage>) -> bool {
    let is_batch = |trigger: &Trigger| matches!(trigger, Trigger::Stream { .. } | Trigger::Queue { .. });
    function.triggers.iter().any(|trigger| is_batch(trigger) || rule_of(trigger, stage).is_some())
}

/// How often a batch of a stream is attempted if the function does not say. Lambda's own default, until its records expire,
/// would block a shard for a day.
const STREAM_ATTEMPTS: u32 = 5;

/// What Lambda allows for the age of a record, in seconds.
const STREAM_AGES: (u32, u32) = (60, 604_800);

/// Returns how often a batch of a stream is attempted, and for how many seconds at most, as far as Lambda allows it.
pub(crate) fn tries_of_stream(retry: Option<&RetryOptions>) -> (u32, Option<u32>) {
    let attempts = retry.and_then(|retry| retry.attempts).unwrap_or(STREAM_ATTEMPTS);
    let age = retry.and_then(|retry| retry.max_age);
    (attempts, age.map(|age| age.clamp(STREAM_AGES.0, STREAM_AGES.1)))
}

/// Returns what reading a stream takes.
fn reading(source: StreamKind) -> &'static [&'static str] {
    match source {
        StreamKind::DynamoDb => {
            &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        }
        StreamKind::Kinesis => &[
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        ],
        StreamKind::Kafka => &["kafka:DescribeCluster", "kafka:DescribeClusterV2"],
    }
}

/// Returns the action that Lambda needs besides and that knows no resources.
fn finding(source: StreamKind) -> Option<&'static str> {
    match source {
        StreamKind::DynamoDb => Some("dynamodb:ListStreams"),
        StreamKind::Kinesis => None,
        StreamKind::Kafka => Some("kafka:GetBootstrapBrokers"),
    }
}

/// Whether something on AWS fires a trigger.
pub(crate) fn is_fired(trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Event(event) => is_route(event) || is_socket(event) || pattern(event).is_ok(),
        _ => true,
    }
}

fn kind<S: serde::Serializer>(kind: &StreamKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// Returns the variables that must be set for a function. A program without the feature `eventbridge` does not start with
/// them.
pub(crate) fn variables(function: &Function, stage: Option<&Stage>) -> Vec<&'static str> {
    let bus = (!is_behind_gateway(stage) && !function.emits.is_empty()).then_some(EVENT_BUS);
    let failures = keeps_failures(function, stage).then_some(FAILURES_QUEUE);
    let connections = function.connections.then_some(CONNECTIONS);
    bus.into_iter().chain(failures).chain(connections).collect()
}

/// Returns what a function of a service may do: write its log, and what its signature and triggers require.
pub(crate) fn permissions<'a>(
    service: &Manifest,
    function: &'a Function,
    stage: Option<&'a Stage>,
) -> Vec<Permission<'a>> {
    let mut permissions = vec![Permission {
        actions: owned(&["logs:CreateLogStream", "logs:PutLogEvents"]),
        on: Resource::Log,
        condition: None,
        reason: "every function writes its log".to_owned(),
    }];
    if !is_behind_gateway(stage) {
        permissions.extend(emits(service, function));
    }
    permissions.extend(stage.into_iter().flat_map(|stage| declared(&service.service, function, stage)));
    if keeps_failures(function, stage) {
        permissions.push(Permission {
            actions: owned(&["sqs:SendMessage"]),
            on: Resource::Failures,
            condition: None,
            reason: "what it fails to handle or rejects is kept".to_owned(),
        });
    }
    if function.connections {
        permissions.push(Permission {
            actions: owned(&["execute-api:ManageConnections"]),
            on: Resource::Connections,
            condition: None,
            reason: "it manages the connections of the WebSocket API".to_owned(),
        });
    }
    let mut queues: Vec<&str> = Vec::new();
    for trigger in &function.triggers {
        if let Trigger::Queue { queue, .. } = trigger
            && !queues.contains(&queue.as_str())
        {
            queues.push(queue.as_str());
        }
    }
    permissions.extend(queues.into_iter().map(|queue| Permission {
        actions: owned(&READING_QUEUE),
        on: Resource::Queue(queue),
        condition: None,
        reason: format!("it handles the messages of queue `{queue}`"),
    }));
    for trigger in &function.triggers {
        let Trigger::Stream { stream: name, source, .. } = trigger else { continue };
        permissions.push(Permission {
            actions: owned(reading(*source)),
            on: Resource::Stream { source: *source, name },
            condition: None,
            reason: format!("it handles the records of {source} stream `{name}`"),
        });
        permissions.extend(finding(*source).map(|action| Permission {
            actions: owned(&[action]),
            on: Resource::Every,
            condition: None,
            reason: format!("it finds {source} stream `{name}`"),
        }));
    }
    permissions
}

/// Returns the permissions for what `eg.toml` gives the function: tables, queues to send to, and secrets.
fn declared<'a>(service: &str, function: &Function, stage: &'a Stage) -> Vec<Permission<'a>> {
    let permission = |actions, on, reason| Permission { actions, on, condition: None, reason };
    let mut permissions = Vec::new();
    for (name, table) in stage.tables(service) {
        let actions = table.actions.iter().map(|action| action.in_iam()).collect();
        permissions.push(permission(
            actions,
            Resource::Table(name),
            format!("its service uses table `{name}`"),
        ));
    }
    for (name, _) in stage.queues(service) {
        let reason = format!("its service sends to queue `{name}`");
        permissions.push(permission(owned(&["sqs:SendMessage"]), Resource::Queue(name), reason));
    }
    if stage.vpc(&function.id).is_some() {
        let reason = "its network interfaces are in a VPC".to_owned();
        permissions.push(permission(owned(&INTERFACES), Resource::Every, reason));
    }
    // Several variables may come from one secret.
    let (mut parameters, mut secrets) =
        (BTreeMap::<&str, Vec<&str>>::new(), BTreeMap::<&str, Vec<&str>>::new());
    for (variable, reference) in stage.secrets(service, &function.id) {
        match reference {
            SecretReference::Parameter(name) => {
                parameters.entry(SecretReference::parameter(name)).or_default().push(variable);
            }
            SecretReference::Secret { id, .. } => secrets.entry(id).or_default().push(variable),
        }
    }
    let reason = |variables: &[&str]| format!("it reads {} when it starts", eg_grammar::list(variables));
    for (name, variables) in parameters {
        let actions = owned(&["ssm:GetParameters"]);
        permissions.push(permission(actions, Resource::Parameter(name), reason(&variables)));
    }
    for (id, variables) in secrets {
        let actions = owned(&["secretsmanager:GetSecretValue"]);
        permissions.push(permission(actions, Resource::Secret(id), reason(&variables)));
    }
    permissions
}

fn owned(actions: &[&str]) -> Vec<String> {
    actions.iter().map(ToString::to_string).collect()
}

/// Returns the permission to emit: only the event types of the signature, and only with their sources.
fn emits<'a>(service: &Manifest, function: &'a Function) -> Option<Permission<'a>> {
    let Function { emits, sources, .. } = function;
    if emits.is_empty() {
        return None;
    }
    let default = format!("/services/{}", service.service);
    let (mut types, mut from) = (Vec::<&str>::new(), Vec::<&str>::new());
    for ty in emits {
        let source = sources.get(ty).unwrap_or(&default).as_str();
        if !from.contains(&source) {
            from.push(source);
        }
        if !types.contains(&ty.as_str()) {
            types.push(ty);
        }
    }
    let reason = format!("it emits {}", eg_grammar::list(&types));
    let condition = json!({"StringEquals": {"events:detail-type": types, "events:source": from}});
    let actions = owned(&["events:PutEvents"]);
    Some(Permission { actions, on: Resource::Bus, condition: Some(condition), reason })
}
