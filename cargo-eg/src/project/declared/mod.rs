//! Reads `eg.toml`, which declares functions that are not written in Rust, into a manifest and the programs behind
//! it, and reports mistakes in it. Starting the programs is left to `run`.
//!
//! ```toml
//! service = "pictures"            # else the folder's name
//!
//! [[function]]
//! name = "resize"
//! command = ["python3", "-m", "awslambdaric", "app.resize"]
//! triggers = [{ event = "picture.uploaded", retry = { attempts = 5 } }, { http = "POST /pictures/{id}" }]
//!
//! [[function]]
//! name = "archive"
//! url = "http://localhost:8080/archive"
//! triggers = [{ event = "picture.resized" }]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use eg_grammar::{
    BatchMistake, HTTP_REQUEST, Method, Path as Route, QueueName, Schedule, Spelling, check_batch,
    check_event_type, check_function_name, check_service_name, limits, text_without_bom,
};
use eg_sdk::manifest::Manifest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};

/// The name of the file.
pub(crate) const FILE: &str = "eg.toml";

/// The version of services that declare none.
const VERSION: &str = "0.0.0";

/// The functions of one `eg.toml`.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) manifest: Manifest,
    /// The folder of the file, which is where the programs run.
    pub(crate) folder: PathBuf,
    /// The program for each function id; a function at a URL has none.
    pub(crate) programs: BTreeMap<String, Program>,
}

/// A program that gets its events from the Runtime API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    pub(crate) handler: String,
    pub(crate) environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: Option<String>,
    #[serde(default)]
    function: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    doc: Option<String>,
    command: Option<Vec<String>>,
    url: Option<String>,
    handler: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    timeout: Option<u32>,
    memory: Option<u32>,
    #[serde(default)]
    emits: Vec<String>,
    #[serde(default)]
    triggers: Vec<TriggerEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerEntry {
    event: Option<String>,
    http: Option<String>,
    schedule: Option<String>,
    queue: Option<String>,
    mode: Option<String>,
    path: Option<String>,
    cors: Option<bool>,
    retry: Option<Retry>,
    batch_size: Option<u32>,
    window: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    attempts: Option<u32>,
    max_age: Option<u32>,
}

impl Program {
    /// Returns the files in `folder` that the command names: programs, scripts, settings.
    pub(crate) fn named_files(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        let paths = self.command.iter().map(move |word| folder.join(word));
        paths.filter(move |path| path.starts_with(folder) && path.is_file())
    }
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Declaration, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::NotFound, format!("cannot read {}: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(path);
    declaration(&text, folder).map_err(|mistake| {
        Failure::new(Exit::Usage, format!("{}: {mistake}", path.display())).hint(
            "a function has a `name`, a `command` or a `url`, and `triggers`, each with `event`, `http`, `schedule` or \
             `queue`; `cargo eg run --help` shows an example",
        )
    })
}

fn declaration(text: &str, folder: &Path) -> Result<Declaration, String> {
    let file: File =
        toml::from_str(text_without_bom(text)).map_err(|error| error.to_string().trim_end().to_owned())?;
    let folder_name = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let service = file.service.or_else(folder_name).unwrap_or_default();
    check_service_name(&service)
        .map_err(|mistake| format!("service: {mistake}; set it with `service = \"…\"`"))?;
    if file.function.is_empty() {
        return Err("no functions: add a [[function]]".to_owned());
    }
    let (mut functions, mut programs, mut names) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for entry in file.function {
        let name = entry.name.clone();
        let inside = |mistake: String| format!("function {name:?}: {mistake}");
        check_function_name(&name).map_err(|mistake| inside(format!("name: {mistake}")))?;
        if !names.insert(name.clone()) {
            return Err(inside("name: there is another one with this name".to_owned()));
        }
        let source = format!("{FILE}:{}", line_of(text, &name));
        let function = entry.manifest(&service, &source).map_err(inside)?;
        if let Some(program) = entry.program().map_err(inside)? {
            programs.insert(format!("{service}-{name}"), program);
        }
        functions.push(function);
    }
    let manifest = json!({"service": service, "version": VERSION, "functions": functions});
    let manifest = serde_json::from_value(manifest).map_err(|error| error.to_string())?;
    Ok(Declaration { manifest, folder: folder.to_owned(), programs })
}

/// Returns the number of the line that names the function; the first line if it is not found.
fn line_of(text: &str, name: &str) -> usize {
    let is_name = |line: &str| {
        line.trim_start()
            .strip_prefix("name")
            .and_then(|rest| rest.trim_start().strip_prefix('='))
            .is_some_and(|value| {
                let value = value.trim_start();
                [format!("\"{name}\""), format!("'{name}'")].iter().any(|quoted| value.starts_with(quoted))
            })
    };
    text.lines().position(is_name).map_or(1, |line| line + 1)
}

impl Entry {
    fn program(&self) -> Result<Option<Program>, String> {
        let Some(command) = &self.command else { return Ok(None) };
        if command.first().is_none_or(String::is_empty) {
            return Err("command: name a program, as in `command = [\"python3\", \"-m\", \"awslambdaric\", \"app.handler\"]`".to_owned());
        }
        let handler = self.handler.clone().unwrap_or_else(|| self.name.clone());
        Ok(Some(Program { command: command.clone(), handler, environment: self.environment.clone() }))
    }

    /// Returns the function in the manifest format of `eg-runtime`.
    fn manifest(&self, service: &str, source: &str) -> Result<Value, String> {
        match (&self.command, &self.url) {
            (None, None) => {
                return Err("it needs a `command`, or the `url` of a program that runs already".to_owned());
            }
            (Some(_), Some(_)) => return Err("it has a `command` and a `url`: keep one of them".to_owned()),
            (None, Some(url)) => self.check_url(url)?,
            (Some(_), None) => {}
        }
        if self.triggers.is_empty() {
            return Err("triggers: it has none, so nothing would call it".to_owned());
        }
        for ty in &self.emits {
            check_event_type(ty).map_err(|mistake| format!("emits: {mistake}"))?;
        }
        for (key, bound, given) in
            [("timeout", limits::CALL_TIMEOUT, self.timeout), ("memory", limits::MEMORY, self.memory)]
        {
            given.map(|number| bound.check(key, number.into())).transpose()?;
        }
        let mut triggers = Vec::new();
        for (index, trigger) in self.triggers.iter().enumerate() {
            triggers.push(
                trigger
                    .manifest(self.url.is_some())
                    .map_err(|mistake| format!("triggers[{index}]: {mistake}"))?,
            );
        }
        let mut function = json!({
            "name": self.name,
            "id": format!("{service}-{}", self.name),
            "source": source,
            "triggers": triggers,
            "emits": self.emits,
        });
        let further = [
            ("doc", self.doc.clone().map(Value::from)),
            ("timeout", self.timeout.map(Value::from)),
            ("memory", self.memory.map(Value::from)),
            ("url", self.url.clone().map(Value::from)),
        ];
        for (key, value) in further {
            if let Some(value) = value {
                function[key] = value;
            }
        }
        Ok(function)
    }

    fn check_url(&self, url: &str) -> Result<(), String> {
        let parsed: Result<http::Uri, _> = url.parse();
        let usable = parsed.is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !usable {
            return Err(format!("url: {url:?} is no http:// or https:// address"));
        }
        let unused = [
            ("handler", self.handler.is_some()),
            ("environment", !self.environment.is_empty()),
            ("timeout", self.timeout.is_some()),
            ("memory", self.memory.is_some()),
        ];
        match unused.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(format!("{key}: only a function with a `command` has one")),
            None => Ok(()),
        }
    }
}

impl TriggerEntry {
    fn manifest(&self, at_url: bool) -> Result<Value, String> {
        let kinds = [
            ("event", self.event.is_some()),
            ("http", self.http.is_some()),
            ("schedule", self.schedule.is_some()),
            ("queue", self.queue.is_some()),
        ];
        let kinds: Vec<&str> = kinds.iter().filter(|(_, given)| *given).map(|(kind, _)| *kind).collect();
        let kind = match kinds[..] {
            [kind] => kind,
            [] => return Err("it needs one of `event`, `http`, `schedule` and `queue`".to_owned()),
            _ => return Err(format!("it has {}: make a trigger of each", kinds.join(" and "))),
        };
        if at_url && !["event", "http"].contains(&kind) {
            return Err(format!("{kind}: a function at a `url` gets `event` and `http` only"));
        }
        self.check_options(kind)?;
        match (&self.event, &self.http, &self.schedule, &self.queue) {
            (Some(event), ..) => self.event(event),
            (_, Some(http), ..) => self.http(http),
            (_, _, Some(schedule), _) => {
                let schedule: Schedule =
                    schedule.parse().map_err(|mistake| format!("schedule: {mistake}"))?;
                Ok(json!({ "schedule": schedule.as_str() }))
            }
            (_, _, _, queue) => self.queue(queue.as_deref().unwrap_or_default()),
        }
    }

    /// Checks that each option belongs to this kind of trigger.
    fn check_options(&self, kind: &str) -> Result<(), String> {
        let options: [(&str, bool, &[&str]); 6] = [
            ("mode", self.mode.is_some(), &["event"]),
            ("path", self.path.is_some(), &["event"]),
            ("retry", self.retry.is_some(), &["event"]),
            ("cors", self.cors.is_some(), &["http"]),
            ("batch_size", self.batch_size.is_some(), &["queue"]),
            ("window", self.window.is_some(), &["queue"]),
        ];
        match options.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
            Some((option, _, kinds)) => {
                Err(format!("{option}: only for a trigger with `{}`", kinds.join("` or `")))
            }
            None => Ok(()),
        }
    }

    fn event(&self, event: &str) -> Result<Value, String> {
        check_event_type(event).map_err(|mistake| format!("event: {mistake}"))?;
        let mode = match self.mode.as_deref() {
            None | Some("async") => "async",
            Some("sync") => "sync",
            Some(other) => return Err(format!("mode: {other:?} is neither \"async\" nor \"sync\"")),
        };
        let path = |text: &str| {
            let path: Route = text.parse()?;
            if mode == "async" {
                path.check_literal()?;
            }
            Ok(path.spelled(Spelling::Gateway))
        };
        let path = path(self.path.as_deref().unwrap_or("/"))
            .map_err(|mistake: eg_grammar::Mistake| format!("path: {mistake}"))?;
        let method = Method::Post.as_str();
        let mut trigger = json!({"eventType": event, "mode": mode, "method": method, "path": path});
        if let Some(retry) = &self.retry {
            let mut policy = Map::new();
            for (key, name, bound, given) in [
                ("attempts", "retry.attempts", limits::RETRY_ATTEMPTS, retry.attempts),
                ("maxAge", "retry.max_age", limits::RETRY_MAX_AGE, retry.max_age),
            ] {
                if let Some(number) = given {
                    policy.insert(key.to_owned(), json!(bound.check(name, number.into())?));
                }
            }
            if policy.is_empty() {
                return Err("retry: it needs `attempts`, `max_age` (in seconds), or both".to_owned());
            }
            if mode == "sync" {
                return Err(
                    "retry: a sync trigger has no retries: the emitter gets the answer and may ask again"
                        .to_owned(),
                );
            }
            trigger["retry"] = Value::Object(policy);
        }
        Ok(trigger)
    }

    fn http(&self, route: &str) -> Result<Value, String> {
        let Some((method, path)) = route.split_once(' ') else {
            return Err(format!(
                "http: {route:?} is not a route: write a method and a path, as in \"POST /users/{{id}}\""
            ));
        };
        let read = || Ok::<(Method, Route), eg_grammar::Mistake>((method.parse()?, path.trim().parse()?));
        let (method, path) = read().map_err(|mistake| format!("http: {mistake}"))?;
        let mut trigger = json!({
            "eventType": HTTP_REQUEST, "mode": "sync", "method": method.as_str(),
            "path": path.spelled(Spelling::Gateway),
        });
        if let Some(cors) = self.cors {
            trigger["cors"] = json!(cors);
        }
        Ok(trigger)
    }

    fn queue(&self, queue: &str) -> Result<Value, String> {
        let name: QueueName = queue.parse().map_err(|mistake| format!("queue: {mistake}"))?;
        check_batch(name.as_str(), self.batch_size.map(u64::from), self.window.map(u64::from))
            .map_err(|(BatchMistake::Size(mistake) | BatchMistake::Window(mistake))| mistake)?;
        let mut trigger = json!({ "queue": name.as_str() });
        for (key, given) in [("batchSize", self.batch_size), ("window", self.window)] {
            if let Some(number) = given {
                trigger[key] = json!(number);
            }
        }
        Ok(trigger)
    }
}

#[cfg(test)]
mod tests;
