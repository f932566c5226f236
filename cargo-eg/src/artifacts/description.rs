//! The content of `artifacts.json`: what each zip file contains, and what its functions need. `docs/deploying.md` describes it
//! for the programs that read it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use eg_grammar::variable::SECRETS;
use eg_grammar::websocket::MESSAGE;
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{Function, Manifest, Trigger};
use serde::Serialize;
use serde_json::Value;

use super::Packable;
use super::bundle::Bundle;
use crate::needs::{self, Permission, Retries, Tries};
use crate::project::deploy::{Kept, KeyAttribute, Stage, Value as Setting};
use crate::project::toolchain::Machine;
use crate::sockets::is_socket;

/// The version of the format. Keys may be added; a change of a key's meaning counts it up.
const VERSION: u32 = 1;

/// Everything that was built.
#[derive(Debug, Serialize)]
pub(crate) struct Artifacts<'a> {
    version: u32,
    architecture: &'static str,
    runtime: &'static str,
    pub(crate) services: Vec<Service<'a>>,
    /// The tables of `eg.toml`, by name.
    tables: BTreeMap<&'a str, Table<'a>>,
    /// The queues of `eg.toml` to which functions send, by name.
    queues: BTreeMap<&'a str, SentTo<'a>>,
}

/// A table: its key, or its name or ARN if it exists.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Table<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_key: Option<Attribute<'a>>,
    /// The attribute with the time at which an item expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Attribute<'a> {
    name: &'a str,
    /// `S`, `N` or `B`.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The network of a function: ids, or functions of CloudFormation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Network<'a> {
    subnets: &'a [Value],
    security_groups: &'a [Value],
}

/// A queue to which functions send. One that exists has an ARN and a URL.
#[derive(Debug, Serialize)]
struct SentTo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

/// A service and its zip file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Service<'a> {
    pub(crate) service: &'a str,
    version: &'a str,
    /// The path of the zip file, relative to this file.
    pub(crate) zip: PathBuf,
    /// The SHA-256 of the zip file in hexadecimal digits.
    sha256: String,
    /// The same in base64, as Lambda and Terraform spell it.
    code_sha256: String,
    pub(crate) bytes: usize,
    pub(crate) unpacked_bytes: usize,
    functions: Vec<Described<'a>>,
}

/// A function and its needs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    id: &'a str,
    name: &'a str,
    handler: String,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<&'a str>,
    /// Seconds.
    timeout: u32,
    /// Megabytes.
    memory: u32,
    /// How many environments it may have at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc: Option<Network<'a>>,
    variables: Vec<&'static str>,
    /// The plain variables of `eg.toml`, and those with the address of its gateway.
    environment: BTreeMap<&'a str, Value>,
    /// The secrets of `eg.toml`: variables, and where their values are.
    secrets: BTreeMap<&'a str, String>,
    /// The variables with the names of tables.
    tables: BTreeMap<&'a str, &'a str>,
    /// The variables with the URLs of queues to which it sends.
    sends_to: BTreeMap<&'a str, &'a str>,
    /// Whether only a service of AWS or a program calls it, by its name.
    invoked: bool,
    routes: Vec<Route<'a>>,
    /// The events of the WebSocket API that it handles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<OfConnections<'a>>,
    /// Whether it streams an answer, so that its URL needs the invoke mode `RESPONSE_STREAM`.
    streams_answers: bool,
    patterns: Vec<Value>,
    /// The patterns for the default bus, where AWS's services emit.
    patterns_of_aws: Vec<Value>,
    /// What Lambda does with events that the function fails to handle, unless a queue does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    asynchronous: Option<Asynchronous>,
    /// The patterns whose events a queue must retry, because Lambda's own retries do not do what the code says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retries: Vec<Retried>,
    schedules: Vec<&'a str>,
    queues: Vec<Queue<'a>>,
    streams: Vec<Stream<'a>>,
    permissions: Vec<Permission<'a>>,
}

/// An event of the WebSocket API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfConnections<'a> {
    event: &'a str,
    /// Whether the client gets the answer.
    answers: bool,
}

/// Lambda's setting for asynchronous invocations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Asynchronous {
    maximum_retry_attempts: u32,
    /// Seconds.
    maximum_event_age: u32,
}

/// A pattern, and what a queue does with its events.
#[derive(Debug, Serialize)]
struct Retried {
    pattern: Value,
    attempts: u32,
    /// Seconds from the beginning of one attempt to that of the next.
    pause: u32,
}

#[derive(Debug, Serialize)]
struct Route<'a> {
    method: &'static str,
    path: String,
    /// The name of the function of the same service that authorizes requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u32>,
}

/// A stream that triggers a function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stream<'a> {
    source: &'static str,
    name: &'a str,
    maximum_retry_attempts: u32,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_record_age: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u32>,
}

impl<'a> Artifacts<'a> {
    pub(super) fn new(machine: Machine, programs: &'a [Packable], services: Vec<Service<'a>>) -> Self {
        let (mut tables, mut queues) = (BTreeMap::new(), BTreeMap::new());
        for Packable { manifest, stage, .. } in programs {
            let Some(stage) = stage else { continue };
            let of_service = stage.tables(&manifest.service);
            tables.extend(of_service.map(|(name, table)| (name, Table::of(&table.kept))));
            queues.extend(stage.queues(&manifest.service).map(|(name, queue)| {
                let existing = queue.existing.as_ref();
                let [arn, url] = [existing.map(|one| &*one.arn), existing.map(|one| &*one.url)];
                (name, SentTo { arn, url })
            }));
        }
        let architecture = machine.name();
        Self { version: VERSION, architecture, runtime: needs::RUNTIME, services, tables, queues }
    }
}

impl<'a> Table<'a> {
    fn of(kept: &'a Kept) -> Self {
        let attribute = |key: &'a KeyAttribute| Attribute { name: &key.name, kind: key.kind };
        match kept {
            Kept::Elsewhere(existing) => Self { existing: Some(existing), ..Self::default() },
            Kept::Here { partition_key, sort_key, ttl } => Self {
                partition_key: Some(attribute(partition_key)),
                sort_key: sort_key.as_ref().map(attribute),
                ttl: ttl.as_deref(),
                existing: None,
            },
        }
    }
}

impl<'a> Service<'a> {
    pub(super) fn new(program: &'a Packable, zip: PathBuf, bundle: &Bundle, unpacked_bytes: usize) -> Self {
        let Packable { manifest, stage, .. } = program;
        let described = |function| Described::new(manifest, function, stage.as_ref());
        Self {
            service: &manifest.service,
            version: &manifest.version,
            zip,
            sha256: bundle.sha256(),
            code_sha256: bundle.code_sha256(),
            bytes: bundle.bytes.len(),
            unpacked_bytes,
            functions: manifest.functions.iter().map(described).collect(),
        }
    }

    /// Returns how many functions it has.
    pub(crate) fn functions(&self) -> usize {
        self.functions.len()
    }
}

impl<'a> Described<'a> {
    fn new(manifest: &'a Manifest, function: &'a Function, stage: Option<&'a Stage>) -> Self {
        let has_api = !needs::is_behind_gateway(stage);
        let routes = function.events().filter(|event| has_api && needs::is_route(event));
        let (mut schedules, mut queues, mut streams) = (Vec::new(), Vec::new(), Vec::new());
        for trigger in &function.triggers {
            match trigger {
                Trigger::Schedule { schedule, .. } => schedules.push(schedule.as_str()),
                Trigger::Queue { queue, batch_size, window, .. } => {
                    queues.push(Queue { name: queue.as_str(), batch_size: *batch_size, window: *window });
                }
                Trigger::Stream { stream, source, batch_size, window, retry, .. } => {
                    let (attempts, maximum_record_age) = needs::tries_of_stream(retry.as_ref());
                    streams.push(Stream {
                        source: source.as_str(),
                        name: stream,
                        maximum_retry_attempts: attempts - 1,
                        maximum_record_age,
                        batch_size: *batch_size,
                        window: *window,
                    });
                }
                _ => {}
            }
        }
        let settings = stage.and_then(|stage| stage.function(&function.id));
        let set = stage.map(|stage| stage.variables(&manifest.service, &function.id)).unwrap_or_default();
        let (mut environment, mut secrets) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in set {
            match value {
                Setting::Text(text) => drop(environment.insert(name, text.as_str().into())),
                Setting::Template(value) => drop(environment.insert(name, value.clone())),
                Setting::Secret(reference) => drop(secrets.insert(name, reference.to_string())),
            }
        }
        let (mut tables, mut sends_to) = (BTreeMap::new(), BTreeMap::new());
        if let Some(stage) = stage {
            let of_service = stage.tables(&manifest.service);
            tables.extend(of_service.map(|(name, table)| (table.variable.as_str(), name)));
            let of_service = stage.queues(&manifest.service);
            sends_to.extend(of_service.map(|(name, queue)| (queue.variable.as_str(), name)));
        }
        let gateway = stage.and_then(|stage| stage.gateway.as_ref());
        environment.extend(
            gateway.iter().flat_map(|gateway| gateway.variables()).map(|(name, value)| (name, value.into())),
        );
        let mut variables = needs::variables(function, stage);
        variables.extend((!secrets.is_empty()).then_some(SECRETS));
        Self {
            id: &function.id,
            name: &function.name,
            handler: format!("{}.{}", manifest.service, function.name),
            source: &function.source,
            doc: function.doc.as_deref(),
            timeout: needs::timeout(function, stage),
            memory: needs::memory(function, stage),
            concurrency: settings.and_then(|settings| settings.concurrency),
            vpc: stage
                .and_then(|stage| stage.vpc(&function.id))
                .map(|vpc| Network { subnets: &vpc.subnets, security_groups: &vpc.security_groups }),
            variables,
            environment,
            secrets,
            tables,
            sends_to,
            invoked: function.is_invoked(),
            routes: routes
                .map(|route| Route {
                    method: route.method.as_str(),
                    path: route.path.to_string(),
                    authorizer: route.authorizer.as_deref(),
                })
                .collect(),
            connections: function
                .events()
                .filter(|event| is_socket(event))
                .map(|event| OfConnections {
                    event: &event.event_type,
                    answers: event.event_type == MESSAGE && event.mode == SubscriptionType::Sync,
                })
                .collect(),
            streams_answers: has_api && function.streams(),
            patterns: needs::patterns(function, stage),
            asynchronous: Tries::of(function, stage).map(|Tries { attempts, age }| Asynchronous {
                maximum_retry_attempts: attempts - 1,
                maximum_event_age: age,
            }),
            retries: function
                .triggers
                .iter()
                .filter_map(|trigger| retried(function, trigger, stage))
                .collect(),
            patterns_of_aws: needs::patterns_of_aws(function),
            schedules,
            queues,
            streams,
            permissions: needs::permissions(manifest, function, stage),
        }
    }
}

/// Returns the pattern of a trigger, if a queue must retry its events and can: the build warns of the others.
fn retried(function: &Function, trigger: &Trigger, stage: Option<&Stage>) -> Option<Retried> {
    let pattern = needs::rule_of(trigger, stage)?.pattern()?;
    let retries = Retries::of(function, needs::retry_of(trigger), stage);
    let Retries { attempts, pause } = retries.ok().flatten()?;
    Some(Retried { pattern, attempts, pause })
}
