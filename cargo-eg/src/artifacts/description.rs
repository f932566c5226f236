//! The content of `artifacts.json`: what each zip file contains, and what its functions need. `docs/deploying.md` describes it
//! for the programs that read it.

use std::path::PathBuf;

use eg_sdk::manifest::{Function, Manifest, Trigger};
use serde::Serialize;
use serde_json::Value;

use super::bundle::Bundle;
use crate::needs::{self, Permission};
use crate::project::toolchain::Machine;

/// The version of the format. Keys may be added; a change of a key's meaning counts it up.
const VERSION: u32 = 1;

/// Everything that was built.
#[derive(Debug, Serialize)]
pub(crate) struct Artifacts<'a> {
    version: u32,
    architecture: &'static str,
    runtime: &'static str,
    pub(crate) services: Vec<Service<'a>>,
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
    variables: Vec<&'static str>,
    /// Whether only a service of AWS or a program calls it, by its name.
    invoked: bool,
    routes: Vec<Route<'a>>,
    /// Whether it streams an answer, so that its URL needs the invoke mode `RESPONSE_STREAM`.
    streams_answers: bool,
    patterns: Vec<Value>,
    /// The patterns for the default bus, where AWS's services emit.
    patterns_of_aws: Vec<Value>,
    schedules: Vec<&'a str>,
    queues: Vec<Queue<'a>>,
    streams: Vec<Stream<'a>>,
    permissions: Vec<Permission<'a>>,
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
    pub(super) fn new(machine: Machine, services: Vec<Service<'a>>) -> Self {
        Self { version: VERSION, architecture: machine.name(), runtime: needs::RUNTIME, services }
    }
}

impl<'a> Service<'a> {
    pub(super) fn new(manifest: &'a Manifest, zip: PathBuf, bundle: &Bundle, unpacked_bytes: usize) -> Self {
        Self {
            service: &manifest.service,
            version: &manifest.version,
            zip,
            sha256: bundle.sha256(),
            code_sha256: bundle.code_sha256(),
            bytes: bundle.bytes.len(),
            unpacked_bytes,
            functions: manifest.functions.iter().map(|function| Described::new(manifest, function)).collect(),
        }
    }

    /// Returns how many functions it has.
    pub(crate) fn functions(&self) -> usize {
        self.functions.len()
    }
}

impl<'a> Described<'a> {
    fn new(manifest: &'a Manifest, function: &'a Function) -> Self {
        let routes = function.events().filter(|event| needs::is_route(event));
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
        Self {
            id: &function.id,
            name: &function.name,
            handler: format!("{}.{}", manifest.service, function.name),
            source: &function.source,
            doc: function.doc.as_deref(),
            timeout: needs::timeout(function, None),
            memory: function.memory.unwrap_or(needs::MEMORY),
            variables: needs::variables(function),
            invoked: function.is_invoked(),
            routes: routes
                .map(|route| Route {
                    method: route.method.as_str(),
                    path: route.path.to_string(),
                    authorizer: route.authorizer.as_deref(),
                })
                .collect(),
            streams_answers: function.streams(),
            patterns: needs::patterns(function),
            patterns_of_aws: needs::patterns_of_aws(function),
            schedules,
            queues,
            streams,
            permissions: needs::permissions(manifest, function, std::iter::empty()),
        }
    }
}
